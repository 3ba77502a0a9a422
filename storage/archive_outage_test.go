package storage_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/s3"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// outage is what a server does to some requests for a while.
type outage struct {
	fault storagetest.Fault
	hits  func(*http.Request) bool
	ends  effect
}

// effect is what an outage has on the archive.
type effect int

const (
	nothing effect = iota // files get through all the same
	stuck                 // large files wait
	down                  // the store counts as down
)

func every(*http.Request) bool { return true }

func reads(r *http.Request) bool { return r.Method == http.MethodGet && r.Header.Get("Range") != "" }

func puts(r *http.Request) bool {
	return r.Method == http.MethodPut && !r.URL.Query().Has("partNumber")
}

func partPuts(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

func begins(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploads")
}

func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

var outages = map[string]outage{
	"refuses":                {storagetest.Fault{Refuse: true}, every, down},
	"answers 500":            {storagetest.Fault{Status: http.StatusInternalServerError}, every, down},
	"answers 503":            {storagetest.Fault{Status: http.StatusServiceUnavailable}, every, down},
	"hangs":                  {storagetest.Fault{Delay: 2 * time.Second}, every, down},
	"cuts parts":             {storagetest.Fault{CutRequest: 1000}, partPuts, stuck},
	"cuts what is read":      {storagetest.Fault{CutReply: 10}, reads, down},
	"loses Begin's reply":    {storagetest.Fault{DropReply: true}, begins, stuck},
	"loses parts' replies":   {storagetest.Fault{DropReply: true}, partPuts, stuck},
	"loses Put's reply":      {storagetest.Fault{DropReply: true}, puts, nothing},
	"loses Complete's reply": {storagetest.Fault{DropReply: true}, completes, nothing},
}

// Whatever a server does to requests, nothing is said to be verified that
// isn't, nothing leaves the spool, and once it behaves again every file is in
// the store, in one version.
func TestArchiveOutage(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *storagetest.Server{
		"minio": storagetest.StartMinIO, "versitygw": storagetest.StartVersityGW,
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			for what, o := range outages {
				if name != "minio" && o.ends == down {
					continue // what cuts off any server needs no other one
				}
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					o.run(t, server)
				})
			}
		})
	}
}

func (o outage) run(t *testing.T, server *storagetest.Server) {
	t.Helper()
	bucket := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", "'", "").Replace(t.Name()))
	server.MakeBucket(bucket)
	proxy := storagetest.StartProxy(t, server.Endpoint)
	b, err := s3.Open(t.Context(), s3.Config{
		Endpoint: proxy.Endpoint, Bucket: bucket, AccessKey: server.AccessKey, SecretKey: reelvault.Secret(server.SecretKey),
		CallTimeout: time.Second, TransferTimeout: time.Second,
	})
	must(t, err)
	r := newRig(t)
	small, large := sealedBytes()[:5000], sealedBytes()
	files := []reelvault.File{r.file(t, small, true), r.file(t, large, true)}

	proxy.Inject(func(req *http.Request) storagetest.Fault {
		if o.hits(req) {
			return o.fault
		}
		return storagetest.Fault{}
	})
	a := r.archive(b)
	run(t, a)
	if o.ends != nothing {
		awaitStats(t, a, "tried again", func(s storage.ArchiveStats) bool { return s.Retries >= 2 })
		r.expectSpooled(t, files[1])
		if err := a.Healthy(); o.ends == down && reelvault.KindOf(err) != reelvault.Unavailable {
			t.Errorf("Healthy: %v, want unavailable", err)
		}
		proxy.Inject(nil)
	}
	r.awaitRemoved(t, a, len(files))
	for i, want := range [][]byte{small, large} {
		r.expectDurable(t, b, files[i], want)
	}
	if versions := server.Objects(bucket); len(versions) != len(files) {
		t.Errorf("the bucket has %q, want %d versions", versions, len(files))
	}
	if uploads := server.Uploads(bucket); len(uploads) > 0 {
		t.Errorf("uploads of %q stay behind", uploads)
	}
	if err := a.Healthy(); err != nil {
		t.Errorf("Healthy after the outage: %v", err)
	}
}

// expectSpooled finds a file in the spool still, and not claimed to be safer.
func (r *rig) expectSpooled(t *testing.T, f reelvault.File) {
	t.Helper()
	if d := r.row(t, f).Durability; d == reelvault.Verified {
		t.Errorf("file %s is %s", f.ID, d)
	}
	if left, err := r.spool.Left(); err != nil || !slices.Contains(left, f.ID) {
		t.Errorf("the spool has %v, %v, want %s in it", left, err, f.ID)
	}
}

// downBlobs is a store that is down until it is up.
type downBlobs struct {
	storage.Blobs
	up    atomic.Bool
	asked atomic.Int64
}

func (d *downBlobs) Check(ctx context.Context) error {
	d.asked.Add(1)
	if d.up.Load() {
		return d.Blobs.Check(ctx)
	}
	return reelvault.Errorf(reelvault.Unavailable, "down")
}

// A store that is down for hours is asked again every half minute or so,
// by one request however many files wait, and the files are stored soon after
// it is back.
func TestArchiveLongOutage(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		const files, outage = 20, 6 * time.Hour
		r := newRig(t)
		b, _ := openDisk(t)
		gone := &downBlobs{Blobs: b}
		for range files {
			r.file(t, storagetest.Bytes(1, 100), true)
		}
		a := r.archive(gone)
		run(t, a)
		<-time.After(outage)
		if got := gone.asked.Load(); got < int64(outage/(30*time.Second)) || got > int64(outage/(10*time.Second)) {
			t.Errorf("the store was asked %d times in %v", got, outage)
		}
		if left, err := r.spool.Left(); err != nil || len(left) != files {
			t.Errorf("the spool has %d files, %v, want %d", len(left), err, files)
		}
		if err := a.Healthy(); err == nil || !strings.Contains(err.Error(), "2000-01-01") {
			t.Errorf("Healthy: %v, want one that says since when", err)
		}
		gone.up.Store(true)
		back := time.Now()
		r.awaitRemoved(t, a, files)
		if took := time.Since(back); took > time.Minute {
			t.Errorf("it took %v to notice that the store is back", took)
		}
	})
}

// gatedBlobs counts the parts in flight and holds them until it is opened.
type gatedBlobs struct {
	storage.Blobs
	full chan struct{} // closed when PartsInFlight are under way
	open chan struct{}

	mu        sync.Mutex
	now, most int
}

func (g *gatedBlobs) enter() {
	g.mu.Lock()
	g.now++
	if g.now > g.most {
		g.most = g.now
		if g.most == storage.PartsInFlight {
			close(g.full)
		}
	}
	g.mu.Unlock()
	<-g.open
}

func (g *gatedBlobs) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gatedBlobs) Put(ctx context.Context, key string, r io.ReaderAt, size int64) (storage.Object, error) {
	g.enter()
	defer g.leave()
	return g.Blobs.Put(ctx, key, r, size)
}

func (g *gatedBlobs) PutPart(ctx context.Context, u storage.Upload, n int, r io.ReaderAt, size int64) (storage.Part, error) {
	g.enter()
	defer g.leave()
	return g.Blobs.PutPart(ctx, u, n, r, size)
}

// However many files wait, a node sends no more than PartsInFlight parts at a
// time, and that many if there are.
func TestArchivePartsInFlight(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		b, _ := openDisk(t)
		g := &gatedBlobs{Blobs: b, full: make(chan struct{}), open: make(chan struct{})}
		const files = 3 * storage.PartsInFlight
		for i := range files {
			r.file(t, sealedBytes()[:[]int{1000, crashSize}[i%2]], true)
		}
		a := r.archive(g)
		run(t, a)
		<-g.full
		<-time.After(time.Hour) // for whoever else might start
		close(g.open)
		r.awaitRemoved(t, a, files)
		if g.most != storage.PartsInFlight {
			t.Errorf("%d parts were in flight at once, want %d", g.most, storage.PartsInFlight)
		}
	})
}
