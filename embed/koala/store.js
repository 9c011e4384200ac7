// A value that views follow: they are drawn anew when it changes.

import {useEffect, useState} from './vendor/htm-preact.js';

export class Store {
  constructor(value) {
    this.value = value;
    this.watchers = new Set();
  }

  set(value) {
    this.value = value;
    for (const tell of [...this.watchers]) tell(value);
  }

  watch(tell) {
    this.watchers.add(tell);
    return () => this.watchers.delete(tell);
  }
}

// useStore is the present value of a store.
export function useStore(store) {
  const [value, set] = useState(store.value);
  useEffect(() => {
    set(() => store.value); // it may have changed since the view was drawn
    return store.watch((next) => set(() => next));
  }, [store]);
  return value;
}
