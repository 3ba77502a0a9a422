package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/api/web"
	"github.com/reelvault/reelvault/media/recorder"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/media/upload"
	"github.com/reelvault/reelvault/media/webrtc"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/storage"
)

const (
	// drainTime is how long running recordings may take to be sealed when the
	// program is asked to end. Sealing takes well under a second; a supervisor
	// waits at least this long before it kills.
	drainTime = 10 * time.Second

	// answerTime is how long answers may go on after that.
	answerTime = 2 * time.Second

	// forgetEvery is how often expired credentials are removed.
	forgetEvery = 10 * time.Minute
)

// nodeConfig is what a node needs beside its stores.
type nodeConfig struct {
	data    string // folder
	catalog storage.Catalog
	blobs   storage.Blobs
	webrtc  webrtc.Config
	sip     *sip.Config // nil: no telephone calls
	tenant  string      // name of the tenant whose calls are recorded
	api     api.Config  // only what configuration decides
	log     *slog.Logger
}

// node is the whole product on one machine: the parts, wired.
type node struct {
	log      *slog.Logger
	catalog  storage.Catalog
	feed     *api.Feed
	spool    *spool.Dir
	archive  *storage.Archive
	recorder *recorder.Recorder
	uploads  *upload.Engine
	gateway  *webrtc.Server
	phone    *sip.Server // nil: no telephone calls
	api      *api.Server

	work context.CancelFunc // ends flusher, archive and housekeeping
	done sync.WaitGroup
}

// startNode opens the spool, finishes what a crash left there, and opens the
// media port. The caller serves n.api and calls stop.
func startNode(ctx context.Context, c nodeConfig) (_ *node, err error) {
	dir, err := spool.Open(filepath.Join(c.data, "spool"), spool.Config{Log: c.log})
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	n := &node{log: c.log, catalog: c.catalog, spool: dir}
	n.feed = api.NewFeed(api.FeedConfig{Catalog: c.catalog, Now: time.Now, Log: c.log})
	defer func() {
		if err != nil {
			n.feed.Close()
		}
	}()
	n.archive = storage.NewArchive(storage.ArchiveConfig{Catalog: c.catalog, Blobs: c.blobs, Spool: archiveSpool{dir}, Log: c.log})
	n.recorder = recorder.New(recorder.Config{
		Ledger: c.catalog, Spool: dir, Stored: n.archive.Ring, Changed: n.feed.Recording, Log: c.log,
	})
	if err = n.recorder.Recover(ctx); err != nil {
		return nil, fmt.Errorf("finish what the spool holds: %w", err)
	}
	n.uploads = upload.New(upload.Config{
		Ledger: uploadLedger{c.catalog, n.feed}, Spool: uploadSpool{dir}, Stored: n.archive.Ring, Log: c.log,
	})
	if err = n.uploads.Recover(ctx); err != nil {
		return nil, fmt.Errorf("take up shared files: %w", err)
	}
	c.webrtc.Changed = n.feed.Publisher
	if n.gateway, err = webrtc.New(c.webrtc, n.recorder); err != nil {
		return nil, fmt.Errorf("open media port: %w", err)
	}
	if err = n.openPhone(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("open SIP port: %w", err), n.gateway.Close(ctx))
	}
	if n.api, err = n.newAPI(c.api); err != nil {
		return nil, errors.Join(err, n.closePhone(ctx), n.gateway.Close(ctx))
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.work = cancel
	n.run(working, "flush the spool", n.spool.Run)
	n.run(working, "archive", n.archive.Run)
	n.run(working, "tend shared files", n.uploads.Run)
	n.run(working, "look for who was there", n.feed.Adopt)
	n.run(working, "hang up who is not invited any more", n.api.Run)
	n.run(working, "forget credentials", n.forget)
	return n, nil
}

func (n *node) newAPI(c api.Config) (*api.Server, error) {
	c.Catalog, c.Control, c.Gateway, c.Sink, c.Files = n.catalog, n.recorder, n.gateway, n.recorder, n.archive
	c.Feed, c.Uploads = n.feed, n.uploads
	if n.phone != nil {
		c.Gateway = lines{n.gateway, n.phone}
	}
	c.Health, c.Metrics, c.Pages = (&health{look: n.look}).now, n.metrics(), web.Handler()
	c.Now, c.Log = time.Now, n.log
	s, err := api.New(c)
	if err != nil {
		return nil, fmt.Errorf("make API: %w", err)
	}
	return s, nil
}

// run does work until ctx ends. An error ends only that work, and says so; what
// fails because ctx has ended is none, whatever a library calls it.
func (n *node) run(ctx context.Context, what string, work func(context.Context) error) {
	n.done.Add(1)
	go func() {
		defer n.done.Done()
		if err := work(ctx); err != nil && ctx.Err() == nil {
			n.log.Error(what, "err", err)
		}
	}()
}

// serve answers HTTP on l until ctx ends, then stops the node: new recordings
// are refused, running ones sealed, and everything that was started is waited for.
func (n *node) serve(ctx context.Context, server *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		n.log.Info("stopping", "drain", drainTime)
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	drained := n.stop(draining)
	shut := n.shut(draining, server)
	if err == nil {
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, drained, shut)
}

// shut lets answers finish, and cuts what still goes on: a player that is
// paused holds its answer open for as long as it likes.
func (n *node) shut(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		n.log.Info("cut connections that were still open")
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("end answers: %w", err)
	}
	return nil
}

// stop seals, says goodbye to peers, and waits for all work.
func (n *node) stop(ctx context.Context) error {
	hungUp := n.closePhone(ctx)
	drained := n.recorder.Drain(ctx)
	if drained != nil {
		drained = fmt.Errorf("seal running recordings: %w", drained)
	}
	drained = errors.Join(drained, n.uploads.Drain(ctx))
	closed := n.gateway.Close(ctx)
	if closed != nil {
		closed = fmt.Errorf("end connections: %w", closed)
	}
	n.recorder.Close()
	n.feed.Close()
	n.work()
	n.done.Wait()
	return errors.Join(hungUp, drained, closed)
}

// forget removes expired credentials now and then.
func (n *node) forget(ctx context.Context) error {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if err := n.catalog.RemoveExpired(ctx, now); err != nil {
				n.log.Warn("remove expired credentials", "err", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look says how the parts are.
func (n *node) look(ctx context.Context) []api.Part {
	return []api.Part{
		{Name: "catalog", Err: n.catalog.Check(ctx), Vital: true},
		{Name: "spool", Err: n.spool.Room(), Vital: true},
		{Name: "store", Err: n.archive.Healthy()},
	}
}

// archiveSpool shows the spool to the archive, by the archive's own contract.
type archiveSpool struct{ dir *spool.Dir }

// Open implements storage.Spool.
func (s archiveSpool) Open(fileID string) (storage.SpoolReader, error) {
	r, err := s.dir.Open(fileID)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Left implements storage.Spool.
func (s archiveSpool) Left() ([]string, error) { return s.dir.Left() }

// Remove implements storage.Spool.
func (s archiveSpool) Remove(fileID string) error { return s.dir.Remove(fileID) }
