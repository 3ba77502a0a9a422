// What of a session's recordings can be seen and heard, on one clock.
//
// A recording says when it started; its files, tracks and gaps are offsets
// from there. So everything is laid onto the session's clock, whose zero is the
// start of the first recording. All times here are s on that clock.

// material gives
//
//   start  when the clock is zero, in ms since 1970, or undefined if nothing was recorded
//   total  how long it reaches, up to now while something is captured
//   files  {id, recording, tile, offset, duration, url, download, picture, sided,
//          voices}, one a media file; picture is the track of a camera or screen,
//          voices {key, lane} are whose sound is in it, one a track; sided says
//          that each is on a side of its own, left in lane 1, right in lane 2
//   tiles  {key, who, kind, pictured}: what has a place of its own in the picture
//   rows   {key, voice, who, media, spans, gaps}: who did what when
//
// A tile, a voice and a row belong to a person and a source, not to a file:
// somebody who came back, or a recording that went on in another file, is still
// the same. who gives a person's name by id.
export function material(recordings, who = (id) => id) {
  const all = recordings
    .filter((r) => r.kind !== 'file' && r.state !== 'deleted' && r.files.length > 0)
    .sort((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const start = all.length > 0 ? Date.parse(all[0].startedAt) : undefined;
  const found = { start, total: 0, files: [], tiles: [], rows: [] };
  for (const r of all) {
    const zero = (Date.parse(r.startedAt) - start) / 1000;
    found.total = Math.max(found.total, zero + r.durationMs / 1000);
    for (const f of r.files) addFile(found, r, f, zero, who);
    for (const track of r.tracks) addTrack(found, r, track, zero, who);
  }
  return found;
}

// keyOf names a person's source: camera and screen of one person are two.
const keyOf = (r, id) => `${r.kind} ${id}`;

// mediumOf tells the sound of a microphone, a screen and a telephone apart.
function mediumOf({ kind }, { media }) {
  return media === 'audio' && kind !== 'av' ? `${kind}Audio` : media;
}

const seen = (track) => track.media === 'video' || track.media === 'screen';

function addFile(found, r, f, zero, who) {
  const tracks = r.tracks.filter((track) => track.fileId === f.id);
  const people = [...new Set(tracks.map((track) => track.participantId))];
  const picture = tracks.find(seen);
  const key = keyOf(r, people.join(' '));
  let tile = found.tiles.find((other) => other.key === key);
  if (!tile) {
    tile = { key, who: people.map(who), kind: r.kind, pictured: false };
    found.tiles.push(tile);
  }
  tile.pictured ||= picture !== undefined;
  found.files.push({
    id: f.id,
    recording: r.id,
    tile: key,
    offset: zero + f.offsetMs / 1000,
    duration: (f.durationMs || r.durationMs - f.offsetMs) / 1000,
    url: f.playbackUrl,
    download: f.downloadUrl,
    picture,
    sided: r.kind === 'phone' && tracks.some((track) => track.media === 'audio'),
    voices: tracks
      .filter((track) => track.media === 'audio')
      .map((track) => ({ key: keyOf(r, track.participantId), lane: track.lane })),
  });
}

function addTrack(found, r, track, zero, who) {
  const voice = keyOf(r, track.participantId);
  const key = `${voice} ${track.media}`;
  let row = found.rows.find((other) => other.key === key);
  if (!row) {
    row = { key, voice, who: who(track.participantId), media: mediumOf(r, track), spans: [], gaps: [] };
    found.rows.push(row);
  }
  const capturing = r.state === 'recording' || r.state === 'paused';
  const length = track.durationMs || (capturing ? r.durationMs - track.offsetMs : 0);
  const from = zero + track.offsetMs / 1000;
  row.spans.push({ from, to: from + length / 1000 });
  for (const g of track.gaps) row.gaps.push({ ...g, from: zero + g.startMs / 1000, to: zero + g.endMs / 1000 });
}

// holes gives the stretches of a session in which nothing was recorded.
export function holes({ files, total }) {
  const found = [];
  let reached = 0;
  for (const f of files.toSorted((a, b) => a.offset - b.offset)) {
    if (f.offset > reached) found.push({ from: reached, to: f.offset });
    reached = Math.max(reached, f.offset + f.duration);
  }
  if (reached < total) found.push({ from: reached, to: total });
  return found;
}
