package main

import (
	"context"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/media/upload"
	"github.com/reelvault/reelvault/storage"
)

// uploadSpool shows the spool to the uploads, by their own contract.
type uploadSpool struct{ *spool.Dir }

// Create implements upload.Spool.
func (s uploadSpool) Create(fileID string) (upload.File, error) {
	return uploadFile(s.Dir.Create(fileID))
}

// Reopen implements upload.Spool.
func (s uploadSpool) Reopen(fileID string) (upload.File, error) {
	return uploadFile(s.Dir.Reopen(fileID))
}

func uploadFile(f *spool.File, err error) (upload.File, error) {
	if err != nil {
		return nil, err // not f: a nil *spool.File in an interface would not be nil
	}
	return f, nil
}

// uploadLedger is the catalog, and wakes those who follow a session in which
// a file has become whole or was given up.
type uploadLedger struct {
	storage.Catalog
	feed *api.Feed
}

// FinishTransfer implements upload.Ledger.
func (l uploadLedger) FinishTransfer(ctx context.Context, f reelvault.File, a reelvault.Activity) error {
	if err := l.Catalog.FinishTransfer(ctx, f, a); err != nil {
		return err
	}
	l.feed.Appended(a.TenantID, a.SessionID)
	return nil
}

// AbortTransfer implements upload.Ledger.
func (l uploadLedger) AbortTransfer(ctx context.Context, fileID, reason string, a reelvault.Activity) error {
	if err := l.Catalog.AbortTransfer(ctx, fileID, reason, a); err != nil {
		return err
	}
	l.feed.Appended(a.TenantID, a.SessionID)
	return nil
}
