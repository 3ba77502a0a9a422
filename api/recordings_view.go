package api

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

type recordingView struct {
	ID          string      `json:"id"`
	SessionID   string      `json:"sessionId"`
	Kind        string      `json:"kind" enum:"av,phone,screen,file" doc:"file: a file that was shared, which has no tracks and no length"`
	State       string      `json:"state" enum:"recording,paused,processing,ready,failed,deleted" doc:"Whether it can be played"`
	Reason      string      `json:"reason,omitempty" doc:"Why it failed"`
	Durability  string      `json:"durability" enum:"spooled,stored,verified" doc:"How safe its least safe file is"`
	StartedAt   string      `json:"startedAt" format:"date-time" doc:"Zero of its clock: every offset counts from here"`
	EndedAt     string      `json:"endedAt,omitempty" format:"date-time"`
	DurationMs  int64       `json:"durationMs" doc:"Up to now while it captures"`
	Files       []fileView  `json:"files" nullable:"false"`
	Tracks      []trackView `json:"tracks" nullable:"false"`
	SyncErrorMs int64       `json:"syncErrorMs" doc:"Largest lip-sync error left in a track; 0 if at most 40"`
	Quality     qualityView `json:"quality"`
}

type fileView struct {
	ID            string `json:"id"`
	Container     string `json:"container" enum:"webm,mkv,wav,bin" doc:"bin: bytes of any format, as they came"`
	Name          string `json:"name,omitempty" doc:"Of a shared file, as its sender calls it"`
	Type          string `json:"type,omitempty" doc:"Media type of a shared file, as its bytes have it"`
	OffsetMs      int64  `json:"offsetMs"`
	DurationMs    int64  `json:"durationMs" doc:"0 until sealed"`
	Bytes         int64  `json:"bytes" doc:"0 until sealed"`
	SHA256        string `json:"sha256,omitempty" doc:"Lower-case hex, once verified"`
	Durability    string `json:"durability" enum:"spooled,stored,verified"`
	PlaybackURL   string `json:"playbackUrl,omitempty" doc:"Once sealed, with the scope recordings:play; never of a shared file"`
	DownloadURL   string `json:"downloadUrl,omitempty" doc:"Once sealed, with the scope recordings:download"`
	LinksExpireAt string `json:"linksExpireAt,omitempty" format:"date-time" doc:"Use prolongs them"`
}

type trackView struct {
	ID            string    `json:"id"`
	FileID        string    `json:"fileId"`
	Lane          int       `json:"lane" doc:"Track number in the file, from 1"`
	ParticipantID string    `json:"participantId" doc:"Empty of a track in which all are mixed"`
	Role          string    `json:"role,omitempty" enum:"guest,operator" doc:"Absent of a track in which all are mixed"`
	Type          string    `json:"type" enum:"Operator,Guest,AllParticipants,ScreenSharing,Other"`
	Media         string    `json:"media" enum:"audio,video,screen"`
	Codec         string    `json:"codec" enum:"opus,vp8,vp9,h264,h265,av1,pcmu,pcma"`
	OffsetMs      int64     `json:"offsetMs"`
	DurationMs    int64     `json:"durationMs"`
	Gaps          []gapView `json:"gaps" nullable:"false"`
	PlaybackURL   string    `json:"playbackUrl,omitempty" doc:"That of its file"`
}

type gapView struct {
	StartMs int64  `json:"startMs"`
	EndMs   int64  `json:"endMs"`
	Cause   string `json:"cause" enum:"loss,mute,dtx,hold,pause,overload,disk,crash"`
	By      string `json:"by,omitempty" doc:"Who asked for a pause"`
	Reason  string `json:"reason,omitempty" doc:"Why"`
}

// qualityView sums up what is missing that somebody meant to be there.
type qualityView struct {
	Gaps   int   `json:"gaps" doc:"How many gaps all tracks have, whatever the cause"`
	LostMs int64 `json:"lostMs" doc:"Length of the gaps of causes loss, overload, disk and crash, over all tracks"`
}

// links are the URLs of one file.
type links struct {
	playback, download string
	expire             time.Time
}

// viewRecordings shows recordings. Every ticket of the answer is made in one
// transaction.
func (s *Server) viewRecordings(ctx context.Context, c *caller, recs []reelvault.Recording) ([]recordingView, error) {
	made, err := s.makeLinks(ctx, c, recs)
	if err != nil {
		return nil, err
	}
	views := make([]recordingView, len(recs))
	for i, r := range recs {
		views[i] = s.viewRecording(r, made)
	}
	return views, nil
}

// makeLinks makes the tickets for what the caller may play and download.
func (s *Server) makeLinks(ctx context.Context, c *caller, recs []reelvault.Recording) (map[string]links, error) {
	made := map[string]links{}
	var tickets []reelvault.Credential
	ticket := func(f reelvault.File, p reelvault.Purpose) string {
		cred, url := s.mediaTicket(c, f, p)
		tickets = append(tickets, cred)
		return url
	}
	for _, r := range recs {
		for _, f := range r.Files {
			if !f.Sealed {
				continue
			}
			l := links{expire: s.now().Add(mediaTicketLife)}
			if c.Can(reelvault.ScopeRecordingsPlay) && f.Container != reelvault.Plain {
				l.playback = ticket(f, reelvault.PurposePlay)
			}
			if c.Can(reelvault.ScopeRecordingsDownload) {
				l.download = ticket(f, reelvault.PurposeDownload)
			}
			if l.playback != "" || l.download != "" {
				made[f.ID] = l
			}
		}
	}
	if len(tickets) == 0 {
		return made, nil
	}
	return made, s.Catalog.CreateCredentials(ctx, tickets)
}

func (s *Server) viewRecording(r reelvault.Recording, made map[string]links) recordingView {
	v := recordingView{
		ID: r.ID, SessionID: r.SessionID, Kind: string(r.Kind), State: string(r.State), Reason: r.Reason,
		Durability: string(r.Durability), StartedAt: stamp(r.StartedAt), EndedAt: stamp(r.EndedAt),
		DurationMs: r.Duration(s.now()).Milliseconds(), SyncErrorMs: r.SyncError.Milliseconds(),
		Files: make([]fileView, len(r.Files)), Tracks: make([]trackView, len(r.Tracks)),
	}
	if r.Kind == reelvault.RecordingFile {
		v.DurationMs = 0
	}
	for i, f := range r.Files {
		l := made[f.ID]
		v.Files[i] = fileView{
			ID: f.ID, Container: string(f.Container), Name: f.Name, Type: f.Type, OffsetMs: f.Offset.Milliseconds(),
			DurationMs: f.Duration.Milliseconds(), Bytes: f.Bytes, SHA256: f.SHA256, Durability: string(f.Durability),
			PlaybackURL: l.playback, DownloadURL: l.download, LinksExpireAt: stamp(l.expire),
		}
	}
	for i, t := range r.Tracks {
		v.Tracks[i] = viewTrack(t, made[t.FileID].playback)
		v.Quality.Gaps += len(t.Gaps)
		v.Quality.LostMs += lost(t).Milliseconds()
	}
	return v
}

func viewTrack(t reelvault.Track, playback string) trackView {
	v := trackView{
		ID: t.ID, FileID: t.FileID, Lane: t.Lane, ParticipantID: t.ParticipantID, Role: string(t.Role),
		Type: string(t.Type), Media: string(t.Media), Codec: string(t.Codec), OffsetMs: t.Offset.Milliseconds(),
		DurationMs: t.Duration.Milliseconds(), Gaps: make([]gapView, len(t.Gaps)), PlaybackURL: playback,
	}
	for i, g := range t.Gaps {
		v.Gaps[i] = gapView{
			StartMs: g.Start.Milliseconds(), EndMs: g.End.Milliseconds(), Cause: string(g.Cause), By: g.By, Reason: g.Reason,
		}
	}
	return v
}

// lost sums up the gaps of a track that nobody wanted.
func lost(t reelvault.Track) time.Duration {
	var sum time.Duration
	for _, g := range t.Gaps {
		switch g.Cause {
		case reelvault.GapLoss, reelvault.GapOverload, reelvault.GapDisk, reelvault.GapCrash:
			sum += g.End - g.Start
		default:
		}
	}
	return sum
}
