package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/reelvault/reelvault"
)

const (
	envPrefix  = "REELVAULT_"
	fileSuffix = "-file" // of a secret's key, when the value is the name of a file that holds it

	maxSecret = 64 << 10 // bytes of a secret's file
)

// sources is where settings come from besides flags: the environment, and then
// the configuration file. A value that is empty counts as not set, because
// empty variables are what is left over when nothing was meant.
type sources struct {
	env  map[string]string
	file *configFile // nil without --config
	args []string    // keys that were set by flags
}

// environment keeps our part of the process's environment.
func environment(env []string) map[string]string {
	ours := map[string]string{}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) && value != "" {
			ours[name] = value
		}
	}
	return ours
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// given is a value with its origin, for people.
type given struct {
	values []string
	origin string
}

// lookup gives what is set for key, or false.
func (s *sources) lookup(key string) (given, bool) {
	if value, ok := s.env[envName(key)]; ok {
		return given{[]string{value}, envName(key)}, true
	}
	if s.file == nil {
		return given{}, false
	}
	return s.file.lookup(key)
}

// open reads the configuration file, if there is one, and refuses keys that
// are no settings.
func (s *sources) open(verb *kong.Context) error {
	path := s.env[envName("config")]
	for _, p := range verb.Path {
		if p.Flag != nil {
			s.args = append(s.args, p.Flag.Name)
		}
		if p.Flag == nil || p.Flag.Name != "config" {
			continue
		}
		text, ok := verb.FlagValue(p.Flag).(string)
		if !ok {
			return errors.New("config: must name a file")
		}
		path = text
	}
	if path == "" {
		return nil
	}
	file, err := readConfigFile(path)
	if err != nil {
		return err
	}
	s.file = file
	return file.refuseUnknown(knownKeys(verb.Model))
}

// linkPattern is what container platforms add to the environment by themselves
// for a service that is called reelvault, or reelvault and more.
var linkPattern = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_[A-Z]+(_(ADDR|PORT|PROTO))?)?$`)

// refuseStrangers refuses variables with our name that are no settings: a
// bucket that is misspelt would else store in a folder.
func (s *sources) refuseStrangers(app *kong.Application) error {
	known := map[string]bool{envName("config"): true}
	for _, key := range knownKeys(app) {
		known[envName(key)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if !known[name] && !linkPattern.MatchString(name) {
			return usageError{fmt.Errorf("%s is set in the environment, and is no setting", name)}
		}
	}
	return nil
}

// knownKeys lists what may stand in a file: what serve can be told.
func knownKeys(app *kong.Application) []string {
	var keys []string
	for _, node := range app.Children {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			if flag.Name != "config" {
				keys = append(keys, flag.Name)
			}
		}
	}
	for _, secret := range (&Secrets{}).each() {
		keys = append(keys, secret.key, secret.key+fileSuffix)
	}
	return keys
}

// Validate implements kong.Resolver.
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver for flags that were not given.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	g, ok := s.lookup(flag.Name)
	if !ok || flag.Name == "config" {
		return nil, nil //nolint:nilnil // kong's way to say that nothing is set
	}
	var value any = g.values[0]
	if flag.IsSlice() && len(g.values) > 1 {
		items := make([]any, 0, len(g.values))
		for _, v := range g.values {
			items = append(items, v)
		}
		value = items
	}
	if !flag.IsSlice() && len(g.values) > 1 {
		return nil, fmt.Errorf("%s: takes one value", g.origin)
	}
	// Tried here first, so that the error can name the origin.
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), trial); err != nil {
		return nil, fmt.Errorf("%s: %w", g.origin, cmp.Or(errors.Unwrap(err), err)) // without the flag, which kong adds
	}
	return value, nil
}

// settled runs f if the configuration can be used.
func (s *sources) settled(app *kong.Application, c *Config, f func() error) error {
	if err := s.refuseStrangers(app); err != nil {
		return err
	}
	for _, secret := range c.Secrets.each() {
		value, err := s.secret(secret.key)
		if err != nil {
			return usageError{err}
		}
		*secret.value = value
	}
	s.place(&c.Place)
	if err := s.name(c.validate()); err != nil {
		return usageError{err}
	}
	return f()
}

// name adds to a settingError where the setting comes from.
func (s *sources) name(err error) error {
	var e *settingError
	if !errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("%s (%s): %w", e.key, s.origin(e.key), e.err)
}

// origin says where the value of key comes from.
func (s *sources) origin(key string) string {
	if slices.Contains(s.args, key) {
		return "flag"
	}
	for _, k := range []string{key, key + fileSuffix} {
		if g, ok := s.lookup(k); ok {
			return g.origin
		}
	}
	return "default"
}

// secret gives the secret under key, from its value or from the file whose
// name is given instead.
func (s *sources) secret(key string) (reelvault.Secret, error) {
	g, direct := s.lookup(key)
	named, indirect := s.lookup(key + fileSuffix)
	switch {
	case direct && indirect:
		return "", fmt.Errorf("%s and %s: only one of them may be set", g.origin, named.origin)
	case direct && len(g.values) == 1:
		return reelvault.Secret(g.values[0]), nil
	case direct:
		return "", fmt.Errorf("%s: takes one value", g.origin)
	case !indirect:
		return "", nil
	}
	value, err := readSecret(named.values[0])
	if err != nil {
		return "", fmt.Errorf("%s: %w", named.origin, err)
	}
	return value, nil
}

// readSecret reads a secret from a file, which may end with a line end.
func readSecret(path string) (reelvault.Secret, error) {
	text, err := readAtMost(path, maxSecret)
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" || strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("%s does not hold one line", path)
	}
	return reelvault.Secret(value), nil
}

// readAtMost reads a file of at most limit bytes.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return text, nil
}
