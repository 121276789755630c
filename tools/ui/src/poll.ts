// Asks again and again, gently: not while the page is hidden, less often after an error and where nothing changes by
// itself.

import { useEffect, useRef, useState } from "react";

import { ask } from "./api";

/** Seconds between two questions after errors, at most. */
const LONGEST = 60;

/** Seconds between two questions where nothing changes by itself: somebody may clear a task. */
export const IDLE = 60;

export interface Answer<T> {
  data: T | null;
  error: Error | null;
  /** Whether an answer to this very question is awaited; `data` is of the question before. */
  waits: boolean;
}

/**
 * Return the latest answer to a question.
 *
 * @param url - the question; another one is asked at once, and the answer before is shown until it is answered
 * @param again - how many seconds later it is to be asked again, of its answer; null for never
 */
export function usePoll<T>(url: string, again: (data: T) => number | null): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T> & { url: string }>({ url, data: null, error: null, waits: true });
  const wanted = useRef(again);
  wanted.current = again;

  useEffect(() => {
    const stop = new AbortController();
    let timer: number | undefined;
    let errors = 0;
    let due = false;

    async function next(): Promise<void> {
      timer = undefined;
      due = document.hidden;
      if (due) {
        return;
      }
      let seconds: number | null;
      try {
        const data = await ask<T>(url, stop.signal);
        errors = 0;
        seconds = wanted.current(data);
        setAnswer({ url, data, error: null, waits: false });
      } catch (error) {
        if (stop.signal.aborted) {
          return;
        }
        errors += 1;
        seconds = Math.min(2 ** errors * 2, LONGEST);
        setAnswer((before) => ({ ...before, url, error: error as Error, waits: false }));
      }
      if (seconds !== null && !stop.signal.aborted) {
        timer = window.setTimeout(next, seconds * 1000);
      }
    }

    function shown(): void {
      if (!document.hidden && due) {
        void next();
      }
    }

    document.addEventListener("visibilitychange", shown);
    void next();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [url]);

  return answer.url === url ? answer : { ...answer, error: null, waits: true };
}
