package sqlite_test

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
)

// What the fixtures hold. Every release's fixture is filled with all of it, so
// that a newer release proves that it reads what an older one wrote.
var (
	fixtureTime = time.Date(2026, 11, 23, 9, 30, 0, 250_000_000, time.UTC)

	fixtureTenant = reelvault.Tenant{
		ID: "019ab000-0000-7000-8000-000000000001", Name: "default",
		Features: reelvault.Features{AV: true, Phone: true}, MaxFileBytes: reelvault.DefaultMaxFileBytes, CreatedAt: fixtureTime,
	}
	fixtureSession = reelvault.Session{
		ID: "019ab000-0000-7000-8000-000000000002", TenantID: fixtureTenant.ID, ExternalID: "4711", Name: "Jana Nová",
		Channel: reelvault.ChannelAV, Source: reelvault.SourceInvitation, Status: reelvault.StatusClosed,
		TerminationReason: reelvault.ReasonGuestLeft, CreatedAt: fixtureTime, EndedAt: fixtureTime.Add(time.Hour),
		Participants: []reelvault.Participant{
			{ID: "guest", Role: reelvault.RoleGuest, JoinedAt: fixtureTime},
			{ID: "operator-7", Role: reelvault.RoleOperator, JoinedAt: fixtureTime.Add(time.Second)},
		},
		Recordings: 1,
	}
	fixtureFile = reelvault.File{
		ID: "019ab000-0000-7000-8000-000000000004", RecordingID: "019ab000-0000-7000-8000-000000000003",
		Container: reelvault.WebM, Offset: 125 * time.Microsecond, Duration: time.Hour - time.Second, Bytes: 450_000_000,
		SHA256:     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Durability: reelvault.Verified, Sealed: true, Key: "r/019ab000/1.webm", Version: "v1",
	}
	fixtureRecording = reelvault.Recording{
		ID: fixtureFile.RecordingID, TenantID: fixtureTenant.ID, SessionID: fixtureSession.ID, Kind: reelvault.RecordingAV,
		State: reelvault.RecordingReady, Durability: reelvault.Verified, StartedAt: fixtureTime.Add(time.Second),
		EndedAt: fixtureTime.Add(time.Hour), SyncError: 47 * time.Millisecond, Files: []reelvault.File{fixtureFile},
		Tracks: []reelvault.Track{{
			ID: "019ab000-0000-7000-8000-000000000005", RecordingID: fixtureFile.RecordingID, FileID: fixtureFile.ID,
			Lane: 1, ParticipantID: "guest", Role: reelvault.RoleGuest, Type: reelvault.TrackGuest, Media: reelvault.Audio,
			Codec: reelvault.Opus, Offset: 20 * time.Millisecond, Duration: time.Hour - 2*time.Second,
			Gaps: []reelvault.Gap{
				{Start: time.Minute, End: time.Minute + 60*time.Millisecond, Cause: reelvault.GapLoss},
				{Start: 2 * time.Minute, End: 3 * time.Minute, Cause: reelvault.GapPause, By: "Petr", Reason: "card"},
			},
		}},
	}
	fixtureTiming = reelvault.Timing{Reports: []reelvault.TimingReport{{
		TrackID: fixtureRecording.Tracks[0].ID, SSRC: 4711, NTP: 0xe9d1_0000_8000_0000, RTP: 48000, At: time.Second, Verdict: "used",
	}}}
	fixturePerson = reelvault.Person{
		ID: "019ab000-0000-7000-8000-000000000006", TenantID: fixtureTenant.ID, Name: "administrator",
		Scopes: []reelvault.Scope{reelvault.ScopeSystem, reelvault.ScopeTenantAdmin}, CreatedAt: fixtureTime,
	}
	fixtureToken = reelvault.Credential{
		ID: "019ab000-0000-7000-8000-000000000007", Kind: reelvault.CredentialToken, TenantID: fixtureTenant.ID,
		Hash: [32]byte{1, 2, 3}, Name: "chat platform", Scopes: []reelvault.Scope{reelvault.ScopeIngest}, CreatedAt: fixtureTime,
	}
	fixtureTicket = reelvault.Credential{
		ID: "019ab000-0000-7000-8000-000000000008", Kind: reelvault.CredentialTicket, TenantID: fixtureTenant.ID,
		Hash: [32]byte{4}, PersonID: fixturePerson.ID, IssuerID: fixturePerson.ID, Scopes: []reelvault.Scope{},
		Purpose: reelvault.PurposePublish, SessionID: fixtureSession.ID, FileID: fixtureFile.ID, ParticipantID: "guest",
		Role: reelvault.RoleGuest, CreatedAt: fixtureTime, ExpiresAt: fixtureTime.Add(time.Hour),
	}
	fixtureEvent = reelvault.AuditEvent{
		ID: "019ab000-0000-7000-8000-000000000009", TenantID: fixtureTenant.ID, At: fixtureTime,
		PrincipalID: fixturePerson.ID, Principal: "administrator", Action: "play", Target: "file/" + fixtureFile.ID,
		Outcome: "ok", Address: "192.0.2.1", Detail: `{"bytes":1024}`,
	}

	// What the third release added, in a tenant of its own, so that the rows
	// above are the same in every fixture.
	fixtureCalls = reelvault.Tenant{
		ID: "019ab000-0000-7000-8000-000000000011", Name: "calls", Features: reelvault.Features{AV: true}, CreatedAt: fixtureTime,
		Consent:      reelvault.ConsentNotice{Required: true, Text: "Smíme hovor nahrávat?", Version: "2026-11", Language: "cs"},
		MaxFileBytes: 25 << 20,
	}
	fixtureCall = reelvault.Session{
		ID: "019ab000-0000-7000-8000-000000000012", TenantID: fixtureCalls.ID, Channel: reelvault.ChannelAV,
		Source: reelvault.SourceInvitation, Status: reelvault.StatusActive, CreatedAt: fixtureTime,
		Participants: []reelvault.Participant{{
			ID: "guest", Role: reelvault.RoleGuest, Name: "Jana Nová", Address: "sip:jana@example.net", JoinedAt: fixtureTime,
			LeftAt:  fixtureTime.Add(time.Minute),
			Consent: reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "2026-11", At: fixtureTime.Add(time.Second)},
		}},
	}
	fixtureActivities = []reelvault.Activity{{
		Seq: 1, ID: "019ab000-0000-7000-8000-000000000013", TenantID: fixtureCalls.ID, SessionID: fixtureCall.ID,
		At: fixtureTime, Type: reelvault.ActivityChatMessage, Actor: reelvault.ActorGuest, ParticipantID: "guest",
		Text: "Dobrý den", ClientID: "1",
	}, {
		Seq: 2, ID: "019ab000-0000-7000-8000-000000000014", TenantID: fixtureCalls.ID, SessionID: fixtureCall.ID,
		At: fixtureTime.Add(time.Second), Type: reelvault.ActivityConsentGiven, Actor: reelvault.ActorGuest, ParticipantID: "guest",
		Data: `{"version":"2026-11"}`, FileID: "019ab000-0000-7000-8000-000000000004",
	}}
	fixtureInvitation = reelvault.Credential{
		ID: "019ab000-0000-7000-8000-000000000015", Kind: reelvault.CredentialInvitation, TenantID: fixtureCalls.ID,
		Hash: [32]byte{5}, Name: "Jana Nová", Scopes: []reelvault.Scope{}, SessionID: fixtureCall.ID, ParticipantID: "guest",
		Role: reelvault.RoleGuest, CreatedAt: fixtureTime, ExpiresAt: fixtureTime.Add(time.Hour),
	}

	// What the fourth release added, to that call.
	fixtureShared = reelvault.Recording{
		ID: "019ab000-0000-7000-8000-000000000016", TenantID: fixtureCalls.ID, SessionID: fixtureCall.ID,
		Kind: reelvault.RecordingFile, State: reelvault.RecordingRunning, Durability: reelvault.Spooled, StartedAt: fixtureTime,
		Files: []reelvault.File{{
			ID: "019ab000-0000-7000-8000-000000000017", RecordingID: "019ab000-0000-7000-8000-000000000016",
			Container: reelvault.Plain, Durability: reelvault.Spooled, Key: "r/019ab000/2.bin", Name: "Faktura č. 7.pdf",
		}},
		Tracks: []reelvault.Track{},
	}
	fixtureTransfer = reelvault.Transfer{
		FileID: fixtureShared.Files[0].ID, RecordingID: fixtureShared.ID, TenantID: fixtureCalls.ID, SessionID: fixtureCall.ID,
		ParticipantID: "guest", Role: reelvault.RoleGuest, Size: 20 << 20, Received: 8 << 20, ExpiresAt: fixtureTime.Add(time.Hour),
	}
)

// fill writes the fixture's rows.
func fill(ctx context.Context, c *sqlite.Catalog) error {
	if err := fillRecordings(ctx, c); err != nil {
		return err
	}
	if err := fillCalls(ctx, c); err != nil {
		return err
	}
	return fillFiles(ctx, c)
}

// fillFiles writes what the fourth release added.
func fillFiles(ctx context.Context, c *sqlite.Catalog) error {
	return c.BeginTransfer(ctx, fixtureShared, fixtureTransfer)
}

// fillCalls writes what the third release added.
func fillCalls(ctx context.Context, c *sqlite.Catalog) error {
	for _, step := range []func() error{
		func() error { return c.CreateTenant(ctx, fixtureCalls) },
		func() error { _, _, err := c.CreateSession(ctx, fixtureCall); return err },
		func() error { _, err := c.AppendActivities(ctx, fixtureActivities); return err },
		func() error { return c.CreateCredentials(ctx, []reelvault.Credential{fixtureInvitation}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// fillRecordings writes what the first two releases knew.
func fillRecordings(ctx context.Context, c *sqlite.Catalog) error {
	spooled := fixtureFile
	spooled.Durability, spooled.SHA256, spooled.Version = reelvault.Spooled, "", ""
	object := storage.Object{Key: fixtureFile.Key, Version: fixtureFile.Version, Size: fixtureFile.Bytes}
	for _, step := range []func() error{
		func() error { return c.CreateTenant(ctx, fixtureTenant) },
		func() error { _, _, err := c.CreateSession(ctx, fixtureSession); return err },
		func() error { return c.CreateRecording(ctx, fixtureRecording) },
		func() error { return c.SaveFile(ctx, spooled) },
		func() error { return c.SaveTracks(ctx, fixtureRecording.Tracks) },
		func() error { return c.CommitFile(ctx, spooled.ID, reelvault.Verified, object, fixtureFile.SHA256) },
		func() error { return c.SetUpload(ctx, spooled.ID, "upload-1") },
		func() error { return c.SaveTiming(ctx, spooled.ID, fixtureTiming) },
		func() error { return c.CreatePerson(ctx, fixturePerson) },
		func() error { return c.CreateCredentials(ctx, []reelvault.Credential{fixtureToken, fixtureTicket}) },
		func() error { return c.Append(ctx, fixtureEvent) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
