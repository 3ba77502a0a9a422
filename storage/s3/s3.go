// Package s3 is an object store behind the S3 protocol.
//
// It speaks plain S3 in single requests and leaves patience to its caller:
// nothing is retried here, each request has a deadline, and what broke is
// told as a kind. Every part and object is sent from a section of a file with
// its CRC-32C in a header, so a server that checks refuses what the network
// changed.
//
// A key is given bytes once: writes carry If-None-Match. When a reply is lost,
// or the server no longer knows the upload, the object that lies under the key
// is compared by size and checksum and taken for ours if both match.
//
// Open needs no network, so that a store that is down stops nobody from
// starting. Check makes the bucket where there is none.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	// defaultRegion is what servers other than Amazon's call themselves. A region
	// is always set: without one the client asks the server before each request.
	defaultRegion = "us-east-1"

	// defaultCallTimeout is for requests without a body, and for the silence
	// between two reads of one.
	defaultCallTimeout = 30 * time.Second

	// defaultTransferTimeout is for one part, which at this limit travels at
	// 28 KiB/s, and for Complete, where Amazon may take minutes.
	defaultTransferTimeout = 5 * time.Minute

	// checkDir keeps what Check writes apart from recordings.
	checkDir = "check"
)

// Config says which store to use.
type Config struct {
	Endpoint  string // URL such as https://s3.example.com or http://127.0.0.1:9000; without a scheme it is https
	Bucket    string
	Prefix    string // in front of every key, such as "reelvault/prod"; or empty
	Region    string // empty: us-east-1
	AccessKey string
	SecretKey reelvault.Secret
	CA        string // PEM file of authorities to trust besides the system's; or empty

	CallTimeout     time.Duration // of one request without a body; zero: 30 s
	TransferTimeout time.Duration // of one part and of Complete; zero: 5 min
}

// Blobs is the store. Its methods may be called from any goroutine.
type Blobs struct {
	core            *minio.Core
	bucket          string
	prefix          string // ends in a slash, or is empty
	region          string
	callTimeout     time.Duration
	transferTimeout time.Duration
}

var _ storage.Blobs = (*Blobs)(nil)

// Open makes the client of a store and checks c, without a word to the
// network. What is wrong with c is an error of kind Invalid, its Location the
// name of the field.
func Open(_ context.Context, c Config) (*Blobs, error) {
	endpoint, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if err = s3utils.CheckValidBucketNameStrict(c.Bucket); err != nil {
		return nil, invalid("Bucket", "the bucket's name is no S3 bucket name", err)
	}
	prefix := strings.Trim(c.Prefix, "/")
	if prefix != "" {
		if err = storage.CheckKey(prefix); err != nil {
			return nil, invalid("Prefix", "the prefix is no object key", err)
		}
		prefix += "/"
	}
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, invalid("AccessKey", "both keys of the object store are needed", nil)
	}
	transport, err := newTransport(endpoint.Scheme == "https", c.CA)
	if err != nil {
		return nil, err
	}
	region := c.Region
	if region == "" {
		region = defaultRegion
	}
	core, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), ""),
		Secure:     endpoint.Scheme == "https",
		Transport:  transport,
		Region:     region,
		MaxRetries: 1, // the archive retries, for as long as it takes
	})
	if err != nil {
		return nil, invalid("Endpoint", "the object store's address is unusable", err)
	}
	return &Blobs{
		core: core, bucket: c.Bucket, prefix: prefix, region: region,
		callTimeout:     orDefault(c.CallTimeout, defaultCallTimeout),
		transferTimeout: orDefault(c.TransferTimeout, defaultTransferTimeout),
	}, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

func invalid(field, message string, cause error) error {
	return &reelvault.Error{Kind: reelvault.Invalid, Message: message, Location: field, Cause: cause}
}

// parseEndpoint takes a URL of scheme and host only. Its errors don't repeat
// it: somebody may have put a password into it.
func parseEndpoint(endpoint string) (*url.URL, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, invalid("Endpoint", "the object store's address is no URL", nil)
	}
	plain := u.User == nil && u.RawQuery == "" && u.Fragment == "" && strings.Trim(u.Path, "/") == ""
	if u.Host == "" || !plain || u.Scheme != "http" && u.Scheme != "https" {
		return nil, invalid("Endpoint", "the object store's address is http:// or https:// and a host, with nothing behind it", nil)
	}
	return u, nil
}

func newTransport(secure bool, ca string) (*http.Transport, error) {
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("make transport: %w", err)
	}
	if ca == "" {
		return transport, nil
	}
	if !secure {
		return nil, invalid("CA", "an http:// address has no use for a certificate authority", nil)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, invalid("CA", "the file of certificate authorities can't be read", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, invalid("CA", "the file of certificate authorities has no certificate in PEM", nil)
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return transport, nil
}

// call bounds one request without a body.
func (b *Blobs) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.callTimeout)
}

// transfer bounds one request with a body.
func (b *Blobs) transfer(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.transferTimeout)
}

// Check implements storage.Blobs: it makes the bucket if there is none, and
// stores, reads and removes a small object.
func (b *Blobs) Check(ctx context.Context) error {
	if err := b.makeBucket(ctx); err != nil {
		return err
	}
	want := []byte(rand.Text())
	o, err := b.Put(ctx, checkDir+"/"+string(want), bytes.NewReader(want), int64(len(want)))
	if err != nil {
		return err
	}
	got := make([]byte, len(want))
	readErr := b.readFull(ctx, o, got)
	if err := b.Remove(ctx, o); err != nil {
		return err
	}
	if readErr != nil {
		return readErr
	}
	if !bytes.Equal(got, want) {
		return &reelvault.Error{Kind: reelvault.Unavailable, Message: "the object store gives other bytes than it was given"}
	}
	return nil
}

func (b *Blobs) makeBucket(parent context.Context) error {
	ctx, cancel := b.call(parent)
	defer cancel()
	found, err := b.core.BucketExists(ctx, b.bucket)
	if found {
		return nil
	}
	if err == nil {
		err = b.core.MakeBucket(ctx, b.bucket, minio.MakeBucketOptions{Region: b.region})
	}
	if code := codeOf(err); code == minio.BucketAlreadyOwnedByYou {
		return nil // another node was faster
	}
	return b.translate(parent, "find or make bucket "+b.bucket, err)
}
