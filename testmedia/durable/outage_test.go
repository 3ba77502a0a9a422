package durable_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/storagetest"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// outage is what happens to the object store in the middle of recordings.
type outage struct {
	begin, end func(*site)
	down       bool // the store counts as down while it lasts
}

// site is a node and the object store behind a proxy.
type site struct {
	node   *node.Node
	server *storagetest.Server
	proxy  *storagetest.Proxy
	bucket string
}

// break makes the proxy do something to some requests.
func breaking(f storagetest.Fault, hits func(*http.Request) bool) func(*site) {
	return func(s *site) {
		s.proxy.Inject(func(r *http.Request) storagetest.Fault {
			if hits(r) {
				return f
			}
			return storagetest.Fault{}
		})
	}
}

func mending(s *site) { s.proxy.Inject(nil) }

func every(*http.Request) bool { return true }

// finishes says whether a request makes an object: Complete, or a PUT of a
// whole one.
func finishes(r *http.Request) bool {
	query := r.URL.Query()
	return r.Method == http.MethodPost && query.Has("uploadId") || r.Method == http.MethodPut && !query.Has("partNumber")
}

var outages = map[string]outage{
	"stopped": {
		func(s *site) { s.server.Kill() },
		func(s *site) { s.server.Start() }, true,
	},
	"slow":           {breaking(storagetest.Fault{Delay: 3 * time.Second}, every), mending, false},
	"answering 500":  {breaking(storagetest.Fault{Status: http.StatusInternalServerError}, every), mending, true},
	"losing replies": {breaking(storagetest.Fault{DropReply: true}, finishes), mending, false},
}

// The object store fails in the middle of ten recordings: they go on, those
// that end are played from the spool, the program says what is wrong, and
// afterwards every file is in the store, once, as it was played.
func TestOutage(t *testing.T) {
	for name, o := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.run(t)
		})
	}
}

// stage is one recording of the ten.
type stage struct {
	session   string
	publisher *publisher
	endAsked  time.Time
	played    map[string]string // SHA-256 of what was downloaded meanwhile, by file id
}

func (o outage) run(t *testing.T) {
	t.Helper()
	length := 12 * time.Second
	if soak {
		length = time.Minute
	}
	s := &site{server: storagetest.StartMinIO(t), bucket: "recordings"}
	s.server.MakeBucket(s.bucket)
	s.proxy = storagetest.StartProxy(t, s.server.Endpoint)
	s.node = start(t, storeAt(s.server, s.proxy.Endpoint, s.bucket))
	stages := s.begin(t)

	o.begin(s)
	must(t, wait(t.Context(), length*3/4))
	early := stages[:5]
	for _, g := range early {
		g.end(t, s.node)
		g.expectPlayable(t, s.node)
	}
	if o.down {
		s.expectDegraded(t)
		for _, g := range early {
			g.expectSpooled(t, s.node)
		}
	}
	must(t, wait(t.Context(), length/4))
	o.end(s)
	must(t, wait(t.Context(), 2*time.Second))
	for _, g := range stages[5:] {
		g.end(t, s.node)
	}
	var files []node.File
	for _, g := range stages {
		files = append(files, g.expectStored(t, s)...)
	}
	expectStore(t, s.node, s.server, s.bucket, files)
	s.expectWell(t)
}

// begin lets ten recordings begin, two of the early ones and one of the late
// ones large enough for uploads in parts.
func (s *site) begin(t *testing.T) []*stage {
	t.Helper()
	const recordings = 10
	var stages []*stage
	for i := range recordings {
		session, err := s.node.NewSession(t.Context())
		must(t, err)
		kind := vp8
		if i%4 == 0 {
			kind = thick
		}
		stages = append(stages, &stage{
			session: session.ID, publisher: publish(t, s.node, session.ID, fmt.Sprint("guest-", i), kind), played: map[string]string{},
		})
	}
	for _, g := range stages {
		awaitConnected(t, []*publisher{g.publisher})
		_, err := s.node.Await(t.Context(), g.session, func(all []node.Recording) bool { return len(all) == 1 })
		must(t, err)
	}
	return stages
}

func (g *stage) end(t *testing.T, n *node.Node) {
	t.Helper()
	g.publisher.expectNoError(t)
	g.endAsked = time.Now()
	must(t, n.EndSession(t.Context(), g.session))
	g.publisher.stop()
}

// expectPlayable plays what has just ended.
func (g *stage) expectPlayable(t *testing.T, n *node.Node) {
	t.Helper()
	all, err := n.Recordings(t.Context(), g.session)
	must(t, err)
	for _, r := range all {
		if r.State != string(reelvault.RecordingReady) {
			t.Errorf("recording %s is %s", r.ID, r.State)
		}
		for _, f := range r.Files {
			path := download(t, n, f)
			if _, err := testmedia.Duration(t.Context(), path); err != nil {
				t.Error(err) // it is decoded later, if its bytes are still the same
			}
			data, err := os.ReadFile(path)
			must(t, err)
			sum := sha256.Sum256(data)
			g.played[f.ID] = hex.EncodeToString(sum[:])
		}
	}
}

func (g *stage) expectSpooled(t *testing.T, n *node.Node) {
	t.Helper()
	all, err := n.Recordings(t.Context(), g.session)
	must(t, err)
	for _, r := range all {
		if r.Durability != string(reelvault.Spooled) {
			t.Errorf("recording %s is %s while the store is down", r.ID, r.Durability)
		}
	}
}

// expectStored finds the recording verified, whole, and in the store as it
// was played.
func (g *stage) expectStored(t *testing.T, s *site) []node.File {
	t.Helper()
	all := awaitVerified(t, s.node, g.session)
	if len(all) != 1 || len(all[0].Files) != 1 {
		t.Fatalf("session %s has %+v, want one recording of one file", g.session, all)
	}
	rec, f := all[0], all[0].Files[0]
	for _, track := range rec.Tracks {
		if len(track.Gaps) > 0 {
			t.Errorf("%s of %s has gaps %+v", track.Media, track.ParticipantID, track.Gaps)
		}
	}
	if sum := g.played[f.ID]; sum != "" && sum != f.SHA256 {
		t.Errorf("file %s has SHA-256 %s, what was played before had %s", f.ID, f.SHA256, sum)
	}
	if g.publisher.clip.BitRate == thick.bitRate && f.Bytes <= storage.PartSize {
		t.Errorf("file %s has %d bytes, too few for an upload in parts", f.ID, f.Bytes)
	}
	if sum := s.objectSum(t, f.ID); sum != f.SHA256 {
		t.Errorf("the object of file %s has SHA-256 %s, want %s", f.ID, sum, f.SHA256)
	}
	g.publisher.expectHolds(t, s.node, rec, window{until: g.endAsked.Add(-travel)})
	return rec.Files
}

// objectSum reads the one object of a file.
func (s *site) objectSum(t *testing.T, fileID string) string {
	t.Helper()
	objects := slices.DeleteFunc(s.server.Objects(s.bucket), func(o string) bool { return !strings.Contains(o, fileID) })
	if len(objects) != 1 {
		t.Fatalf("file %s has the objects %q, want one", fileID, objects)
	}
	key, _, _ := strings.Cut(objects[0], " ")
	body, _, _, err := s.server.Client().GetObject(t.Context(), s.bucket, key, minio.GetObjectOptions{})
	must(t, err)
	sum := sha256.New()
	_, err = io.Copy(sum, body)
	must(t, err)
	must(t, body.Close())
	return hex.EncodeToString(sum.Sum(nil))
}

// ready is what /readyz says.
type ready struct {
	Status string
	Parts  []struct{ Name, Status, Error, Hint string }
}

func (s *site) expectDegraded(t *testing.T) {
	t.Helper()
	await(t, "degraded", func() bool {
		var r ready
		err := s.node.JSON(t.Context(), http.MethodGet, "/readyz", nil, &r)
		if err != nil {
			t.Fatal(err) // the program takes recordings, so it has to be 200
		}
		for _, p := range r.Parts {
			if p.Name == "store" && p.Status == "degraded" && p.Error != "" && p.Hint != "" {
				return r.Status == "degraded"
			}
		}
		return false
	})
	if up, err := s.node.Metric(t.Context(), "reelvault_store_up"); err != nil || up != 0 {
		t.Errorf("the metric says %g, %v, want 0", up, err)
	}
}

func (s *site) expectWell(t *testing.T) {
	t.Helper()
	await(t, "well", func() bool {
		var r ready
		return s.node.JSON(t.Context(), http.MethodGet, "/readyz", nil, &r) == nil && r.Status == "ok"
	})
	for name, want := range map[string]float64{
		"store_up": 1, "archive_backlog_files": 0, "archive_mismatches_total": 0, "recorder_overload_packets_total": 0, "spool_bytes": 0,
	} {
		if got, err := s.node.Metric(t.Context(), "reelvault_"+name); err != nil || got != want {
			t.Errorf("metric %s is %g, %v, want %g", name, got, err, want)
		}
	}
}
