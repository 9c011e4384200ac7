// Reads that are repeated while somebody looks.

import {useCallback, useEffect, useRef, useState} from './vendor/htm-preact.js';

// useLive reads again and again: every so many milliseconds while the page is visible, at once when it becomes so.
// It answers {value, error, again}: what was read last stays while a read fails. key says what is read; where it
// changes, reading begins anew. every 0 reads once.
export function useLive(read, key, every) {
  const [state, set] = useState({key, value: undefined, error: null});
  const latest = useRef(read);
  latest.current = read;
  const [turn, next] = useState(0);
  useEffect(() => {
    let over = false;
    let timer;
    let running = false;
    const run = async () => {
      if (running || over) return;
      running = true;
      clearTimeout(timer);
      try {
        const value = await latest.current();
        if (!over) set({key, value, error: null});
      } catch (error) {
        if (!over) set((was) => ({key, value: was.key === key ? was.value : undefined, error}));
      }
      running = false;
      if (!over && every > 0 && !document.hidden) timer = setTimeout(run, every);
    };
    const seen = () => { if (!document.hidden && every > 0) run(); };
    document.addEventListener('visibilitychange', seen);
    run();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, every, turn]);
  const again = useCallback(() => next((n) => n + 1), []);
  const now = state.key === key ? state : {value: undefined, error: null};
  return {value: now.value, error: now.error, again};
}
