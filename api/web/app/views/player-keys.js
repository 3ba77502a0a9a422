// The speeds that a person may choose.
export const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];

// pressed does what a key means while the focus is in the player, and keeps
// the browser from doing anything else with it. Keys mean nothing outside of
// it (WCAG 2.2, 2.1.4).
export function pressed(event, player) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input[data-volume], select')) return;
  const act = action(event, player);
  if (!act) return;
  event.preventDefault();
  act();
}

function action({ key, shiftKey, target }, player) {
  const by = (s) => () => player.seek(player.position + s);
  const faster = (n) => () =>
    player.setSpeed(speeds[Math.min(Math.max(speeds.indexOf(player.speed) + n, 0), speeds.length - 1)]);
  if (key === ' ') return target.closest('button, a, summary') ? null : () => player.toggle();
  if (!shiftKey && key === 'ArrowLeft') return by(-5);
  if (!shiftKey && key === 'ArrowRight') return by(5);
  if (/^[0-9]$/.test(key)) return () => player.seek((player.total * Number(key)) / 10);
  return {
    k: () => player.toggle(),
    j: by(-10),
    l: by(10),
    m: () => player.muteAll(),
    f: () => player.fullscreen(),
    '<': faster(-1),
    '>': faster(1),
  }[key.toLowerCase()];
}
