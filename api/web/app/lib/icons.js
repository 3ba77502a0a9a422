import { html, svg } from 'lit';

// Line icons on a 24 by 24 grid. They are decoration: text or an aria-label
// beside them says what they mean.
const path = (d) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${svg`<path d=${d} />`}</svg>`;

export const icons = {
  play: path('M7 4.5v15l12-7.5z'),
  pause: path('M8 5v14M16 5v14'),
  stop: path('M6 6h12v12H6z'),
  back: path('M11 6l-7 6 7 6zM20 6l-7 6 7 6z'),
  forward: path('M13 6l7 6-7 6zM4 6l7 6-7 6z'),
  sound: path('M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11'),
  muted: path('M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5'),
  full: path('M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5'),
  close: path('M6 6l12 12M18 6L6 18'),
  up: path('M6 14l6-6 6 6'),
  down: path('M6 10l6 6 6-6'),
  plus: path('M12 5v14M5 12h14'),
  copy: path('M9 9h11v11H9zM5 15H4V4h11v1'),
  done: path('M5 12.5l4.5 4.5L19 7.5'),
  download: path('M12 4v11M7 10.5l5 5 5-5M5 20h14'),
  remove: path('M4 7h16M9.5 7V4h5v3M6.5 7l1 13h9l1-13M10.5 11v5M13.5 11v5'),
  live: path('M12 12h.01M8.5 8.5a5 5 0 0 0 0 7M15.5 8.5a5 5 0 0 1 0 7M5.5 5.5a9 9 0 0 0 0 13M18.5 5.5a9 9 0 0 1 0 13'),
  camera: path('M3 7h12v10H3zM15 11l6-3.5v9L15 13'),
  microphone: path('M9 4.5a3 3 0 0 1 6 0V11a3 3 0 0 1-6 0zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21'),
  screen: path('M3 5h18v11H3zM9 20h6M12 16v4'),
  warning: path('M12 4l9.5 16h-19zM12 10v4.5M12 17.2h.01'),
  person: path('M8 8a4 4 0 1 0 8 0 4 4 0 1 0-8 0M4.5 20c.8-3.8 3.8-6 7.5-6s6.7 2.2 7.5 6'),
  api: path('M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14'),
  antenna: path('M12 13v8M8 21h8M12 11.5h.01M8.8 14.7a4.5 4.5 0 1 1 6.4 0M6.3 17.2a8 8 0 1 1 11.4 0'),
};
