// Keeps the end of growing content in view, until the reader scrolls up, and again once they are back at the end.

import type { ScrollPlace } from "../store/reader.ts";

/** A distance from the end, in CSS pixels, that counts as being at the end. */
const NEAR = 24;

/** Controls following the end of a view. */
export interface Follower {
  /** Scroll to the end, and follow it. */
  follow(): void;
  close(): void;
}

/**
 * Keep `scroller` at the end of `content`.
 *
 * `place` is the reader's position; it is updated when they scroll, and `moved` is called with whether they left the end.
 */
export function followEnd(
  scroller: HTMLElement,
  content: HTMLElement,
  place: ScrollPlace = { scrollTop: null },
  moved: (away: boolean) => void = () => {},
): Follower {
  let following = place.scrollTop === null;
  let wanted = place.scrollTop;
  let last = 0;
  const below = (index: number): number =>
    (content.children[index]?.getBoundingClientRect().top ?? Number.NaN) - scroller.getBoundingClientRect().top;
  const grown = (): void => {
    if (scroller.clientHeight === 0) return; // not in the page, or hidden
    if (following) scroller.scrollTop = scroller.scrollHeight;
    else if (wanted !== null) {
      scroller.scrollTop = wanted;
      if (place.first) scroller.scrollTop += below(place.first[0]) - place.first[1] || 0;
      // Repeat this while more of the content is laid out.
      setTimeout(() => {
        wanted = null;
      }, 500);
    }
    last = scroller.scrollTop;
  };
  // Content inserted above must not move what is being read, except at the end, which is followed.
  const keepPlace = (): void => {
    scroller.style.overflowAnchor = following ? "none" : "auto";
  };
  const scrolled = (): void => {
    if (scroller.clientHeight === 0) return;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    if (atEnd) following = true;
    else if (scroller.scrollTop < last - 1) following = false;
    last = scroller.scrollTop;
    keepPlace();
    leave();
  };
  const leave = (): void => {
    place.scrollTop = following ? null : last;
    // Search from the last position: measuring every child of a long transcript is slow.
    let index = place.first?.[0] ?? 0;
    while (index > 0 && !(below(index) < 0)) index--;
    while (below(index + 1) < 0) index++;
    place.first = [index, below(index)];
    moved(!following);
  };
  // A ResizeObserver runs after layout and before painting, so nothing flickers and no layout is forced.
  const observer = new ResizeObserver(grown);
  observer.observe(content);
  observer.observe(scroller);
  scroller.addEventListener("scroll", scrolled, { passive: true });
  return {
    follow() {
      following = true;
      wanted = null;
      keepPlace();
      scroller.scrollTop = scroller.scrollHeight;
      leave();
    },
    close() {
      observer.disconnect();
      scroller.removeEventListener("scroll", scrolled);
    },
  };
}
