import { api } from './api.js';
import { events } from './events.js';

// How long to wait before the list is asked for again after a failure, in ms.
const again = 3_000;

// follow gives a session's activities by time: all that there are, and while
// the session is live each that comes, as a new list to show. state is called
// with "connected", "lost" or "refused". The returned handle has stop().
export function follow({ session, live, show, state }) {
  const over = new AbortController();
  const known = new Map(); // seq -> activity
  let stream = null;
  let timer = 0;

  function add(list) {
    for (const a of list) known.set(a.seq, a);
    show([...known.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || a.seq - b.seq));
  }

  async function load() {
    const found = [];
    try {
      for (let after = '0'; after !== ''; ) {
        const page = await api.activities(session, { after, signal: over.signal });
        found.push(...page.items);
        after = page.next;
      }
    } catch (err) {
      if (over.signal.aborted) return;
      const refused = [401, 403, 404].includes(err.status);
      state(refused ? 'refused' : 'lost');
      if (!refused) timer = setTimeout(load, again);
      return;
    }
    state('connected');
    add(found);
    if (!live) return;
    const since = Math.max(0, ...known.keys());
    stream = events({
      url: api.eventsOf(session),
      since,
      heard: ({ data }) => add([JSON.parse(data)]),
      state,
    });
  }
  load();

  return {
    stop() {
      over.abort();
      clearTimeout(timer);
      stream?.stop();
    },
  };
}
