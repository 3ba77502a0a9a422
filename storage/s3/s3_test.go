package s3_test

import (
	"fmt"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/s3"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// Both servers keep the contract, with and without versions.
func TestBlobs(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			server.MakeBucket("versioned")
			stores := 0
			for _, bucket := range []string{"plain", "versioned"} {
				t.Run(bucket, func(t *testing.T) {
					storagetest.Blobs(t, func(t *testing.T) storage.Blobs {
						t.Helper()
						stores++
						b := open(t, config(server, server.Endpoint, bucket, fmt.Sprintf("store-%d/x", stores)))
						if err := b.Check(t.Context()); err != nil {
							t.Fatal(err)
						}
						return b
					})
				})
			}
		})
	}
}

var servers = map[string]func(testing.TB) *storagetest.Server{
	"minio":     storagetest.StartMinIO,
	"versitygw": storagetest.StartVersityGW,
}

func config(s *storagetest.Server, endpoint, bucket, prefix string) s3.Config {
	return s3.Config{
		Endpoint: endpoint, Bucket: bucket, Prefix: prefix,
		AccessKey: s.AccessKey, SecretKey: reelvault.Secret(s.SecretKey),
	}
}

func open(t *testing.T, c s3.Config) *s3.Blobs {
	t.Helper()
	b, err := s3.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
