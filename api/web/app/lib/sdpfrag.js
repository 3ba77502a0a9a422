// Trickle ICE fragments (RFC 8840), as WHIP and WHEP send them by PATCH.

// credentials reads the ICE user name and password of a description.
export function credentials(sdp) {
  return {
    ufrag: /^a=ice-ufrag:(.*)$/m.exec(sdp)?.[1].trim() ?? '',
    pwd: /^a=ice-pwd:(.*)$/m.exec(sdp)?.[1].trim() ?? '',
  };
}

// fragment writes candidates of the first media section, which carries all of
// them since everything is bundled. done adds the mark that no more will come.
export function fragment(offer, candidates, done) {
  const { ufrag, pwd } = credentials(offer);
  const media = /^m=(\w+) \S+ (\S+) (\d+)/m.exec(offer);
  const mid = /^a=mid:(.*)$/m.exec(offer)?.[1].trim() ?? '0';
  return [
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `m=${media[1]} 9 ${media[2]} ${media[3]}`,
    `a=mid:${mid}`,
    ...candidates.map((c) => `a=${c}`),
    ...(done ? ['a=end-of-candidates'] : []),
    '',
  ].join('\r\n');
}

// restarted gives the answer after an ICE restart: the one before, with the
// credentials and candidates of the server's fragment.
export function restarted(answer, frag) {
  const { ufrag, pwd } = credentials(frag);
  const candidates = frag.split(/\r?\n/).filter((l) => /^a=(candidate:|end-of-candidates)/.test(l));
  const lines = answer
    .split(/\r?\n/)
    .filter((l) => !/^a=(candidate:|end-of-candidates)/.test(l))
    .map((l) => {
      if (l.startsWith('a=ice-ufrag:')) return `a=ice-ufrag:${ufrag}`;
      if (l.startsWith('a=ice-pwd:')) return `a=ice-pwd:${pwd}`;
      return l;
    });
  const first = lines.findIndex((l) => l.startsWith('a=mid:'));
  lines.splice(first + 1, 0, ...candidates);
  return lines.join('\r\n');
}

// iceServers reads the Link headers of an answer (RFC 9725, section 4.6).
export function iceServers(header) {
  const servers = [];
  for (const link of (header ?? '').split(/,\s*(?=<)/)) {
    const url = /<([^>]+)>/.exec(link)?.[1];
    if (!url || !/rel="?ice-server"?/.test(link)) continue;
    const param = (name) => new RegExp(`${name}="([^"]*)"`).exec(link)?.[1];
    const server = { urls: url };
    if (param('username')) server.username = param('username');
    if (param('credential')) server.credential = param('credential');
    servers.push(server);
  }
  return servers;
}
