package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media/webrtc"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/disk"
	"github.com/reelvault/reelvault/storage/s3"
	"github.com/reelvault/reelvault/storage/sqlite"
)

// serve runs the recorder until ctx ends.
func serve(ctx context.Context, c *Config, out output) (err error) {
	log := newLog(out)
	defer func() {
		if err = interrupted(ctx, err); errors.Is(err, errInterrupted) {
			log.InfoContext(ctx, "asked to end before it had started")
			err = nil
		}
	}()
	connections, err := checkDescriptors(c.MaxPublishers, c.calls())
	if err != nil {
		return err
	}
	checkMemory(ctx, readMemory(os.DirFS("/")), c.MaxPublishers, log)
	dir, err := openDataDir(ctx, c.Data, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	catalog, err := sqlite.Open(ctx, catalogPath(dir.path), time.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, catalog.Close()) }()
	listener, err := listen(ctx, c, connections)
	if err != nil {
		return err
	}
	public := c.publicURL(listener.Addr().String())
	n, err := c.node(ctx, dir.path, catalog, public, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	err = errors.Join(welcome(ctx, catalog, c, public, out), dir.note(public))
	if err != nil {
		return errors.Join(err, listener.Close(), n.stop(ctx))
	}
	server := &http.Server{
		Handler: n.api, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if c.Demo {
		return n.serveDemo(ctx, server, listener)
	}
	return n.serve(ctx, server, listener)
}

// newLog makes the log of a verb.
func newLog(out output) *slog.Logger { return slog.New(slog.NewTextHandler(out.stderr, nil)) }

const (
	// headerTime and idleTime bound what a client may hold open for nothing.
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
)

// listen opens the address of pages and API for at most a number of
// connections, with TLS if it is set.
func listen(ctx context.Context, c *Config, connections int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTP)
	if err != nil {
		return nil, &reelvault.Error{
			Kind: reelvault.Unavailable, Message: "the address " + c.HTTP + " cannot be listened on",
			Hint: "name another one with --http", Cause: err,
		}
	}
	l = limitListener(l, connections)
	if c.TLSCert == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load certificate: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}

// node starts the parts as configured.
func (c *Config) node(ctx context.Context, data string, catalog storage.Catalog, public *url.URL, log *slog.Logger) (*node, error) {
	blobs, err := c.blobs(ctx, data)
	if err != nil {
		return nil, err
	}
	proxies, err := c.trustedProxies()
	if err != nil {
		return nil, err
	}
	servers := make([]webrtc.ICEServer, len(c.ICEServer))
	for i, u := range c.ICEServer {
		servers[i] = webrtc.ICEServer{URL: u, Username: c.ICEUsername, Credential: c.Secrets.ICECredential}
	}
	phone, err := c.sip(c.Demo)
	if err != nil {
		return nil, err
	}
	return startNode(ctx, nodeConfig{
		data: data, catalog: catalog, blobs: blobs, log: log, sip: phone, tenant: c.tenant(),
		webrtc: webrtc.Config{Host: c.hosts(), Port: c.WebRTCPort, ICEServers: servers, MaxPublishers: c.MaxPublishers, Log: log},
		api:    api.Config{PublicURL: public, TrustedProxies: proxies, Version: version(), Limits: api.DefaultLimits()},
	})
}

// blobs opens the object store: S3 if an endpoint is set, else a folder.
func (c *Config) blobs(ctx context.Context, data string) (storage.Blobs, error) {
	if c.S3Endpoint == "" {
		return disk.Open(filepath.Join(data, "objects"))
	}
	return s3.Open(ctx, s3.Config{
		Endpoint: c.S3Endpoint, Bucket: c.S3Bucket, Prefix: c.S3Prefix, Region: c.S3Region, CA: c.S3CA,
		AccessKey: c.Secrets.S3AccessKey.Reveal(), SecretKey: c.Secrets.S3SecretKey,
	})
}

// welcome makes what a first start needs, and prints the address and the first
// administrator's sign-in link. A demo, which is for whoever started it, gives
// one at every start.
func welcome(ctx context.Context, catalog storage.Catalog, c *Config, public *url.URL, out output) error {
	now := time.Now()
	tenant, err := ensureTenant(ctx, catalog, c.tenant(), now)
	if err != nil {
		return err
	}
	if err = presetToken(ctx, catalog, tenant.ID, c.Secrets.AdminToken, now); err != nil {
		return err
	}
	person, added, err := ensureAdministrator(ctx, catalog, tenant.ID, now)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(out.stdout, "Reelvault is at %s\n", public); err != nil || !added && !c.Demo {
		return err
	}
	action := "firstStart"
	if !added {
		action = "demoStart"
	}
	if err = auditLink(ctx, catalog, person, action, now); err != nil {
		return err
	}
	link, err := signInLink(ctx, catalog, person, public, now)
	if err != nil {
		return err
	}
	return printLink(out, link)
}
