// The address is the state of the page: which page, which list, which session
// is open, which tab. A link to it shows the same again.

const views = ['live', 'history'];
const tabs = ['recordings', 'transcript', 'general'];

// parse reads an address.
export function parse(url) {
  const query = url.searchParams;
  const route = {
    page: 'sessions',
    view: views.includes(query.get('view')) ? query.get('view') : 'live',
    session: '',
    tab: tabs.includes(query.get('tab')) ? query.get('tab') : 'recordings',
  };
  const open = /^\/sessions\/([^/]+)$/.exec(url.pathname);
  if (open) route.session = decodeURIComponent(open[1]);
  if (url.pathname === '/signin') route.page = 'signin';
  if (url.pathname === '/call/') route.page = 'call';
  if (url.pathname === '/publish') {
    route.page = 'publish';
    route.session = query.get('session') ?? '';
  }
  return route;
}

// href writes an address.
export function href(route) {
  if (route.page === 'publish') {
    return route.session ? `/publish?session=${encodeURIComponent(route.session)}` : '/publish';
  }
  const query = new URLSearchParams();
  if (route.view && route.view !== 'live') query.set('view', route.view);
  if (route.session && route.tab && route.tab !== 'recordings') query.set('tab', route.tab);
  const path = route.session ? `/sessions/${encodeURIComponent(route.session)}` : '/';
  const search = query.toString();
  return search ? `${path}?${search}` : path;
}

// current gives the route of the page as it is.
export function current() {
  return parse(new URL(location.href));
}

// go shows a route; replaced routes leave no trace in the history.
export function go(route, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', href(route));
  dispatchEvent(new PopStateEvent('popstate'));
}

// follow lets a link change the route without loading the page anew, unless
// the person wants a tab or window of its own.
export function follow(event) {
  const link = event.currentTarget;
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  go(parse(new URL(link.href)));
}
