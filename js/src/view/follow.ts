// Scrolling that goes along with what is added at the end, until the reader scrolls back, and again from the end on.

/** So near the end, in CSS pixels, counts as at it. */
const NEAR = 24;

export interface Follower {
  /** Go to the end, and along with it. */
  follow(): void;
  close(): void;
}

/**
 * Keep `scroller` at the end of `content`.
 *
 * `top` is where the reader was: null at the end. `moved` is told where the reader is now, in the same way.
 */
export function followEnd(
  scroller: HTMLElement,
  content: HTMLElement,
  top: number | null,
  moved: (top: number | null) => void = () => {},
): Follower {
  let following = top === null;
  let wanted = top;
  let last = 0;
  const grown = (): void => {
    if (scroller.clientHeight === 0) return; // not in the page, or hidden
    if (following) scroller.scrollTop = scroller.scrollHeight;
    else if (wanted !== null) scroller.scrollTop = wanted;
    wanted = null;
    last = scroller.scrollTop;
  };
  // What is drawn before the place that is read must not move it; at the end there is no such place.
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
    moved(following ? null : last);
  };
  // After layout and before painting: nothing is ever seen at the wrong place, and no layout is forced.
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
      moved(null);
    },
    close() {
      observer.disconnect();
      scroller.removeEventListener("scroll", scrolled);
    },
  };
}
