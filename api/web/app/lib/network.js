// What was noticed of the network without the browser's word.
const noticed = new EventTarget();

// notice tells that the network broke or became another one: browsers may take a
// change for none when it is over as soon as they learn of it.
export function notice() {
  noticed.dispatchEvent(new Event('change'));
}

// onNotice calls changed after each notice. It gives a function that ends that.
export function onNotice(changed) {
  noticed.addEventListener('change', changed);
  return () => noticed.removeEventListener('change', changed);
}

// onNetwork calls changed when the browser is back in a network, or in another
// one, which only browsers on phones tell. It gives a function that ends that.
export function onNetwork(changed) {
  const network = navigator.connection;
  let type = network?.type;
  const moved = () => {
    if (network.type === type) return; // only an estimate of its speed is new
    type = network.type;
    if (type !== 'none') changed();
  };
  addEventListener('online', changed);
  network?.addEventListener('change', moved);
  return () => {
    removeEventListener('online', changed);
    network?.removeEventListener('change', moved);
  };
}

// retryAfter calls act in ms, or at once when the browser is in a network again.
// It gives a function that prevents it.
export function retryAfter(ms, act) {
  const off = onNetwork(now);
  const timer = setTimeout(now, ms);
  function prevent() {
    clearTimeout(timer);
    off();
  }
  function now() {
    prevent();
    act();
  }
  return prevent;
}
