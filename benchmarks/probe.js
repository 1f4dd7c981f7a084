// Measurements of a page, the same for the widget's page and the plain one: nothing here depends on how they are made.

window.probe = (() => {
  const EVERYTHING = { subtree: true, childList: true, characterData: true };
  const STAMP = /t(\d{13}\.\d\d)/g;

  /** Yields the texts that a change has added to the page, with any other text of the same nodes. */
  function* changed(records) {
    for (const record of records) {
      if (record.type === "characterData") yield record.target.data;
      else for (const node of record.addedNodes) yield node.textContent;
    }
  }

  /** Resolves when the changes in the page have been painted. */
  function painted() {
    return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  }

  /** Returns the result of `work`. If it takes longer than anything measured here, the error says what was shown. */
  function inTime(work, shown) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`only ${shown()} was shown`)), 120_000));
    return Promise.race([work, late]);
  }

  const now = () => performance.timeOrigin + performance.now();

  return {
    /** Resolves when nothing in the page has changed for `ms`: the work for an earlier answer is then finished. */
    settled(ms) {
      return new Promise((resolve) => {
        const done = () => {
          observer.disconnect();
          resolve();
        };
        let timer = setTimeout(done, ms);
        const observer = new MutationObserver(() => {
          clearTimeout(timer);
          timer = setTimeout(done, ms);
        });
        observer.observe(document.body, EVERYTHING);
      });
    },

    /** Calls `begin`, and returns the milliseconds until `end` is in the page and painted. */
    untilShown(end, begin) {
      const shown = new Promise((resolve) => {
        const observer = new MutationObserver(async (records) => {
          if (!changed(records).some((text) => text.includes(end))) return;
          observer.disconnect();
          await painted();
          resolve(performance.now() - begun);
        });
        observer.observe(document.body, EVERYTHING);
        const begun = performance.now();
        begin();
      });
      return inTime(shown, () => document.body.textContent.slice(-2000));
    },

    /** Calls `begin`, and returns the age in ms of each of `count` stamped tokens when it appeared, in order. */
    delays(count, begin) {
      const shown = new Map();
      const all = new Promise((resolve) => {
        const observer = new MutationObserver((records) => {
          const at = now();
          for (const text of changed(records)) {
            for (const [, stamp] of text.matchAll(STAMP)) if (!shown.has(stamp)) shown.set(stamp, at - Number(stamp));
          }
          if (shown.size < count) return;
          observer.disconnect();
          resolve([...shown.values()]);
        });
        observer.observe(document.body, EVERYTHING);
        begin();
      });
      return inTime(all, () => `${shown.size} of ${count} tokens`);
    },

    /** Returns how far the page's fine clock is ahead of the system's, in ms, measured when the latter ticks. */
    clockAhead() {
      const differences = Array.from({ length: 25 }, () => {
        const before = Date.now();
        while (Date.now() === before);
        return now() - Date.now();
      });
      return differences.sort((a, b) => a - b)[12];
    },
  };
})();
