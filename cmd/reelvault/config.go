package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
)

// Place is what it takes to find a server's data and its address.
type Place struct {
	Config    string `placeholder:"FILE" help:"Read settings from this YAML file."`
	Data      string `default:"./data" placeholder:"DIR" help:"Folder of the catalog, the spool and, without S3, the objects. [${default}]"`
	Demo      bool   `help:"Have sessions to look at, live and ended, in a tenant and a folder of their own: ./data-demo, unless --data names another."`
	HTTP      string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address of the pages and the API. [${default}]"`
	TLSCert   string `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; serves HTTPS."`
	TLSKey    string `name:"tls-key" placeholder:"FILE" help:"Its private key in PEM."`
	PublicURL string `name:"public-url" placeholder:"URL" help:"Where browsers reach the pages; by default made of --http."`
}

// Config is everything that can be set. The example file has each setting
// with its default, and its reason.
type Config struct {
	Place `embed:""`

	TrustedProxies []string `placeholder:"CIDR" help:"Proxies whose X-Forwarded-For counts."`

	WebRTCPort    int      `name:"webrtc-port" default:"8189" placeholder:"N" help:"UDP port of all peers, and TCP port of ICE-TCP; 0 takes a free one. [${default}]"`
	WebRTCHost    []string `name:"webrtc-host" default:"127.0.0.1" placeholder:"HOST" help:"Addresses or names that peers are told. [${default}]"`
	ICEServer     []string `name:"ice-server" placeholder:"URL" help:"STUN and TURN servers that clients are told of."`
	ICEUsername   string   `name:"ice-username" placeholder:"NAME" help:"Name for the TURN servers; see ice-credential."`
	MaxPublishers int      `default:"500" placeholder:"N" help:"Publishers at a time; further ones are refused. [${default}]"`

	Telephony `embed:""`

	S3Endpoint string `name:"s3-endpoint" placeholder:"URL" help:"Object store; without it objects are kept in a folder."`
	S3Bucket   string `name:"s3-bucket" placeholder:"NAME" help:"Its bucket, which has to exist."`
	S3Prefix   string `name:"s3-prefix" placeholder:"PREFIX" help:"What all keys in the bucket begin with."`
	S3Region   string `name:"s3-region" default:"us-east-1" placeholder:"NAME" help:"Its region. [${default}]"`
	S3CA       string `name:"s3-ca" placeholder:"FILE" help:"Certificates in PEM to trust besides the system's."`

	Secrets Secrets `kong:"-"`
}

// Secrets are settings that have no flags.
type Secrets struct {
	AdminToken    reelvault.Secret // presets an API token with every scope
	ICECredential reelvault.Secret
	S3AccessKey   reelvault.Secret
	S3SecretKey   reelvault.Secret
}

// secret is one field of Secrets under its key.
type secret struct {
	key   string
	value *reelvault.Secret
}

// each lists the secrets, in the order they are printed.
func (s *Secrets) each() []secret {
	return []secret{
		{"admin-token", &s.AdminToken},
		{"ice-credential", &s.ICECredential},
		{"s3-access-key", &s.S3AccessKey},
		{"s3-secret-key", &s.S3SecretKey},
	}
}

// settingError says which setting is refused, and why.
type settingError struct {
	key string
	err error
}

func (e *settingError) Error() string { return e.key + ": " + e.err.Error() }

// Unwrap gives the reason.
func (e *settingError) Unwrap() error { return e.err }

func refuse(key, format string, args ...any) error {
	return &settingError{key, fmt.Errorf(format, args...)}
}

// minToken is the least length of a preset token: only its plain hash is kept,
// so it has to be beyond guessing.
const minToken = 32

// validate says what is wrong with c, the first thing found.
func (c *Config) validate() error {
	for _, check := range []func() error{c.Place.validate, c.validateDemo, c.validateHTTP, c.validateWebRTC, c.Telephony.validate, c.validateS3} {
		if err := check(); err != nil {
			return err
		}
	}
	if n := len(c.Secrets.AdminToken.Reveal()); n > 0 && n < minToken {
		return refuse("admin-token", "has %d characters and needs at least %d; make one with: openssl rand -hex 32", n, minToken)
	}
	return nil
}

func (p *Place) validate() error {
	if p.Data == "" {
		return refuse("data", "must name a folder")
	}
	if err := checkListen("http", p.HTTP); err != nil {
		return err
	}
	if p.PublicURL != "" {
		if _, err := parsePublicURL(p.PublicURL); err != nil {
			return &settingError{"public-url", err}
		}
	}
	return nil
}

func (c *Config) validateHTTP() error {
	if _, err := c.trustedProxies(); err != nil {
		return &settingError{"trusted-proxies", err}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return refuse("tls-cert", "must be set together with tls-key")
	}
	if c.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			return &settingError{"tls-cert", err}
		}
	}
	return nil
}

func (c *Config) validateWebRTC() error {
	if c.WebRTCPort < 0 || c.WebRTCPort > 65535 {
		return refuse("webrtc-port", "must be 0 to 65535")
	}
	for _, host := range c.WebRTCHost {
		if !hostPattern.MatchString(host) && net.ParseIP(host) == nil {
			return refuse("webrtc-host", "%q is no address or name", host)
		}
	}
	if c.MaxPublishers < 1 || c.MaxPublishers > 100_000 {
		return refuse("max-publishers", "must be 1 to 100000")
	}
	for _, server := range c.ICEServer {
		if !icePattern.MatchString(server) {
			return refuse("ice-server", "%q is not like stun:host:port, turn:host:port or turns:host:port", server)
		}
	}
	if (c.ICEUsername == "") != (c.Secrets.ICECredential == "") {
		return refuse("ice-username", "must be set together with ice-credential")
	}
	return nil
}

func (c *Config) validateS3() error {
	if c.S3Endpoint == "" {
		for key, value := range map[string]string{"s3-bucket": c.S3Bucket, "s3-prefix": c.S3Prefix, "s3-ca": c.S3CA} {
			if value != "" {
				return refuse(key, "has no use without s3-endpoint")
			}
		}
		return nil
	}
	u, err := url.Parse(c.S3Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || bare(u) != nil || strings.Trim(u.Path, "/") != "" {
		return refuse("s3-endpoint", "%q is not like https://host:port", redactUserinfo(c.S3Endpoint))
	}
	if c.S3Bucket == "" {
		return refuse("s3-bucket", "must be set with s3-endpoint")
	}
	if !prefixPattern.MatchString(c.S3Prefix) {
		return refuse("s3-prefix", "%q is not of letters, digits and ._-/, or begins with /", c.S3Prefix)
	}
	if c.Secrets.S3AccessKey == "" || c.Secrets.S3SecretKey == "" {
		return refuse("s3-access-key", "and s3-secret-key must be set with s3-endpoint, in the environment or the file")
	}
	return checkCA(c.S3CA)
}

var (
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	icePattern    = regexp.MustCompile(`^(stun|stuns|turn|turns):[^\s@/?#]+(\?transport=(udp|tcp))?$`)
	prefixPattern = regexp.MustCompile(`^([A-Za-z0-9._-][A-Za-z0-9._/-]{0,255})?$`)
)

func checkListen(key, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return refuse(key, "%q is not like 127.0.0.1:8080 or :8080", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return refuse(key, "%q has no port from 0 to 65535", addr)
	}
	return nil
}

func checkCA(path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return &settingError{"s3-ca", err}
	}
	block, _ := pem.Decode(text)
	if block == nil || !x509.NewCertPool().AppendCertsFromPEM(text) {
		return refuse("s3-ca", "%s holds no certificate in PEM", path)
	}
	return nil
}

// parsePublicURL takes what may stand before /signin: a scheme and a host.
func parsePublicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || bare(u) != nil || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not like https://recorder.example", redactUserinfo(text))
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// bare refuses what an address of a server has no use for.
func bare(u *url.URL) error {
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("user, query or fragment")
	}
	return nil
}

// redactUserinfo keeps a password that somebody put into a URL out of errors.
func redactUserinfo(text string) string {
	if i := strings.LastIndex(text, "@"); i >= 0 {
		return "[redacted]" + text[i:]
	}
	return text
}

// trustedProxies gives the proxies as networks.
func (c *Config) trustedProxies() ([]netip.Prefix, error) { return parseNetworks(c.TrustedProxies) }

// publicURL gives where browsers reach the pages that are served at addr,
// which is --http or, if that has port 0, what was listened on.
func (p *Place) publicURL(addr string) *url.URL {
	if u, err := parsePublicURL(p.PublicURL); err == nil {
		return u
	}
	scheme := "http"
	if p.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &url.URL{Scheme: scheme, Host: addr}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}
}
