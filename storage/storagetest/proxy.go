package storagetest

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Fault is what a Proxy does to one request. The zero Fault lets it pass.
type Fault struct {
	Delay      time.Duration // before anything else
	Refuse     bool          // close the connection, the request unread
	Status     int           // answer with this instead of asking the server; zero: ask it
	CutRequest int64         // close the connection after so many bytes of the request's body; zero: never
	CutReply   int64         // close the connection after so many bytes of the reply's body; zero: never
	DropReply  bool          // let the server finish, then close the connection without a word
}

// Proxy stands in front of a server and breaks the requests it is told to. The
// server sees the proxy's address as its host, so signatures hold.
type Proxy struct {
	Endpoint string // URL

	mu    sync.Mutex
	fault func(*http.Request) Fault
}

// errCut is how a body ends that the proxy cuts.
var errCut = errors.New("cut by the proxy")

// StartProxy starts a proxy in front of the server at this URL. It ends with
// the test.
func StartProxy(tb testing.TB, endpoint string) *Proxy {
	tb.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	p := &Proxy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, target, transport)
	}))
	tb.Cleanup(server.Close)
	p.Endpoint = server.URL
	return p
}

// Inject sets what happens to each request from now on; nil lets all pass. The
// function is called from many goroutines.
func (p *Proxy) Inject(fault func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *Proxy) faultOf(r *http.Request) Fault {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault == nil {
		return Fault{}
	}
	return fault(r)
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, target *url.URL, transport http.RoundTripper) {
	f := p.faultOf(r)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		}
	}
	if f.Refuse {
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 {
		w.WriteHeader(f.Status)
		return
	}
	if f.CutRequest > 0 {
		r.Body = &cutBody{ReadCloser: r.Body, left: f.CutRequest}
	}
	proxy := httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = target.Scheme, target.Host, pr.In.Host
		},
		ModifyResponse: func(resp *http.Response) error { return breakReply(resp, f) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	proxy.ServeHTTP(w, r)
}

func breakReply(resp *http.Response, f Fault) error {
	if f.DropReply {
		_, err := io.Copy(io.Discard, resp.Body)
		return errors.Join(errCut, err)
	}
	if f.CutReply > 0 {
		resp.Body = &cutBody{ReadCloser: resp.Body, left: f.CutReply}
	}
	return nil
}

// cutBody fails after some bytes.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
