package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"reelvault": main})
}

// The program is what it says on the terminal: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "mode": mode, "certify": certify, "fetch": fetch,
		},
	})
}

// await waits until a file has a text: await FILE TEXT.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s holds %q, %v; want %q", args[0], text, err, args[1])
		}
	}
}

// mode checks the permissions of a file: mode FILE 600.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE MODE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// certify makes a certificate for 127.0.0.1 and its key: certify CERT KEY.
func certify(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certify CERT KEY")
	}
	cert, key, err := newCertificate()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), cert, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), key, 0o600))
}

// fetch asks the server that holds a data folder, with a token if TOKEN is set,
// and trusting only CERT if it is there. Status, headers and body go to the
// file answer: fetch DATA PATH [CERT].
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: fetch DATA PATH [CERT]")
	}
	_, base, _ := strings.Cut(ts.ReadFile(args[0]+"/lock"), "\n")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if len(args) == 3 {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(ts.ReadFile(args[2])))
		client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, strings.TrimSpace(base)+args[1], http.NoBody)
	ts.Check(err)
	if token := ts.Getenv("TOKEN"); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if neg {
		if err == nil {
			ts.Fatalf("got status %s, want no connection", answer.Status)
		}
		ts.Logf("%v", err)
		return
	}
	ts.Check(err)
	defer answer.Body.Close() //nolint:errcheck // only read from
	text, err := httputil.DumpResponse(answer, true)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), bytes.ReplaceAll(text, []byte("\r"), nil), 0o600))
}

// newCertificate makes a certificate for 127.0.0.1 that signs itself, and its
// key, in PEM.
func newCertificate() (cert, key []byte, err error) {
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &pair.PublicKey, pair)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// printed gives what reelvault config prints, without the origins.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(t.Context(), append([]string{"config"}, args...), nil, output{&stdout, os.Stderr}); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(` # .*`).ReplaceAllString(stdout.String(), "")
}

// The example file has every setting, and each with its default.
func TestExample(t *testing.T) {
	want := printed(t)
	if got := printed(t, "--config", "example.yaml"); got != want {
		t.Errorf("with the example file the configuration is\n%s\nwant the defaults\n%s", got, want)
	}
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys(t, text), keys(t, []byte(want)); !slices.Equal(got, want) {
		t.Errorf("the example file has\n%v\nwant\n%v", got, want)
	}
}

// keys gives the keys of a YAML mapping, sorted.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	var settings map[string]any
	if err := yaml.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Fatal("there are no settings")
	}
	return names
}
