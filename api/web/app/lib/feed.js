// How the page learns of changes: it asks again every two seconds while it can
// be seen. Whoever replaces this by events keeps the one function.

const interval = 2000;

// feed calls load at once and then again and again, and hands what it gave to
// show or, if it failed, to fail. The returned handle has now(), which asks at
// once, and stop().
export function feed({ load, show, fail }) {
  let timer = 0;
  let asking = null;
  let stopped = false;

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    try {
      const data = await load(mine.signal);
      if (asking === mine && !stopped) show(data);
    } catch (err) {
      if (asking === mine && !stopped && err.name !== 'AbortError') fail(err);
    }
    if (asking === mine && !stopped && !document.hidden) timer = setTimeout(ask, interval);
  }
  const seen = () => {
    if (!document.hidden) ask();
  };
  document.addEventListener('visibilitychange', seen);
  ask();

  return {
    now: ask,
    stop() {
      stopped = true;
      clearTimeout(timer);
      asking?.abort();
      document.removeEventListener('visibilitychange', seen);
    },
  };
}
