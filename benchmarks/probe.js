// What the benchmarks ask of a page: the same of the widget's and of the plain one. Nothing here knows how they are made.

window.probe = (() => {
  const EVERYTHING = { subtree: true, childList: true, characterData: true };
  const STAMP = /t(\d{13}\.\d\d)/g;

  /** The text that a change of the page brought, and what stands beside it in its node. */
  function* changed(records) {
    for (const record of records) {
      if (record.type === "characterData") yield record.target.data;
      else for (const node of record.addedNodes) yield node.textContent;
    }
  }

  /** When what was changed in the page has been painted. */
  function painted() {
    return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  }

  /** What `work` comes to; an error that says what was shown if it takes longer than anything that is measured here. */
  function inTime(work, shown) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`only ${shown()} was shown`)), 120_000));
    return Promise.race([work, late]);
  }

  const now = () => performance.timeOrigin + performance.now();

  return {
    /** When nothing in the page has changed for so many ms: what an earlier answer left to do is done. */
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

    /** The milliseconds from now, when `begin` is called, until `end` is in the page and painted. */
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

    /** Call `begin`, and when `count` stamped tokens are in the page, return how old each was then, in ms, in order. */
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

    /** How far this page's fine clock is ahead of the system's, in ms: taken when the latter moves to its next ms. */
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
