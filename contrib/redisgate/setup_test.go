package redisgate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
)

// state is a call of a replica that asks for n units of 10.
func state(replica string, call uint64, n float64) fleet.State {
	return fleet.State{Account: fleet.Account{Customer: "acme", Feature: "units"}, Replica: replica, N: call, Need: n, Want: n, Limit: 10}
}

// open is a store on a server that is new.
func open(t testing.TB, client rueidis.Client, options ...redisgate.Option) *redisgate.Store {
	t.Helper()
	if err := redisgate.Provision(t.Context(), client, options...); err != nil {
		t.Fatal(err)
	}
	store, err := redisgate.New(t.Context(), client, options...)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// sync makes one call.
func sync1(t testing.TB, f fleet.Fleet, s fleet.State) fleet.Grant {
	t.Helper()
	grants, err := f.Sync(t.Context(), []fleet.State{s})
	if err != nil || len(grants) != 1 {
		t.Fatalf("%+v, %v", grants, err)
	}
	return grants[0]
}

// wantShared asserts that two replicas get 10 units together.
func wantShared(t testing.TB, f fleet.Fleet) {
	t.Helper()
	a, b := sync1(t, f, state("a", 1, 6)), sync1(t, f, state("b", 2, 6))
	if a.Err != nil || a.Units != 6 || b.Err != nil || b.Units != 0 {
		t.Errorf("of 10 one replica was granted %v (%v), and then another one %v (%v)", a.Units, a.Err, b.Units, b.Err)
	}
}

func TestWhatIsWrongWithARedisIsSaid(t *testing.T) {
	main := newServer(t)
	for _, test := range []struct {
		name string
		args []string
		want error
	}{
		{"it evicts keys", []string{"--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru"}, redisgate.ErrEvicts},
		{"it evicts keys that expire, whichever", []string{"--maxmemory", "10mb", "--maxmemory-policy", "volatile-lru"}, redisgate.ErrEvicts},
		{"it is a replica", []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(main.port)}, redisgate.ErrReadOnly},
		{"it has too few replicas", []string{"--min-replicas-to-write", "1"}, redisgate.ErrReadOnly},
		{"it is out of memory", []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}, redisgate.ErrMemory},
		{"the user may not write", strings.Fields("--user default on nopass ~* &* +@read +info +ping"), redisgate.ErrUnauthorized},
		{"the user may not see it", strings.Fields("--user default on nopass ~* &* +ping"), redisgate.ErrUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, test.args...)
			_, err := redisgate.New(t.Context(), s.client())
			var setup *redisgate.SetupError
			if !errors.Is(err, test.want) || !errors.As(err, &setup) || !strings.Contains(err.Error(), s.addr()) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	t.Run("it is gone", func(t *testing.T) {
		s := newServer(t)
		client := s.client()
		s.kill()
		if _, err := redisgate.New(t.Context(), client); !errors.Is(err, redisgate.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("its keys are of another version", func(t *testing.T) {
		s := newServer(t)
		client := s.client()
		do(t, client, "SET", "gate:version", "0")
		if _, err := redisgate.New(t.Context(), client); !errors.Is(err, redisgate.ErrKeyVersion) {
			t.Errorf("got %v", err)
		}
		if _, err := redisgate.New(t.Context(), client, redisgate.Prefix("other")); err != nil {
			t.Errorf("with another prefix: %v", err)
		}
	})
	t.Run("it is old", func(t *testing.T) {
		for _, info := range []string{"redis_version:5.0.14\r\nrole:master\r\n", "role:master\r\n", ""} {
			if err := redisgate.CheckInfo(info); !errors.Is(err, redisgate.ErrServerVersion) {
				t.Errorf("%q: %v", info, err)
			}
		}
		if err := redisgate.CheckInfo("# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory:1\r\nmaxmemory_policy:volatile-ttl\r\n"); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatGoesWrongLaterIsSaid has a Redis change under a store: each call says so, and none panics.
func TestWhatGoesWrongLaterIsSaid(t *testing.T) {
	main := newServer(t)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, s *server, c rueidis.Client)
		want   error
	}{
		{"it becomes a replica", func(t *testing.T, _ *server, c rueidis.Client) {
			do(t, c, "REPLICAOF", "127.0.0.1", strconv.Itoa(main.port))
		}, redisgate.ErrReadOnly},
		{"its memory is full", func(t *testing.T, _ *server, c rueidis.Client) { do(t, c, "CONFIG", "SET", "maxmemory", "1") }, redisgate.ErrMemory},
		{"another password is set", func(t *testing.T, s *server, _ rueidis.Client) {
			s.cli("ACL", "SETUSER", "default", "resetkeys")
		}, redisgate.ErrUnauthorized},
		{"it dies", func(_ *testing.T, s *server, _ rueidis.Client) { s.kill() }, redisgate.ErrUnreachable},
		{"an account's key is something else", func(t *testing.T, _ *server, c rueidis.Client) {
			store := open(t, c)
			do(t, c, "SET", redisgate.Keys(store, state("a", 1, 1).Account)[0], "hello")
		}, redisgate.ErrKeyVersion},
		{"an account's key is of another version", func(t *testing.T, _ *server, c rueidis.Client) {
			store := open(t, c)
			key := redisgate.Keys(store, state("a", 1, 1).Account)[0]
			do(t, c, "EVAL", "redis.call('HSET', KEYS[1], 'h', cmsgpack.pack(7, 'epoch'))", "1", key)
		}, redisgate.ErrKeyVersion},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			client := s.client()
			store := open(t, client)
			test.change(t, s, client)
			for range 2 {
				if g := sync1(t, store, state("a", 1, 1)); !errors.Is(g.Err, test.want) || g.Units != 0 {
					t.Errorf("got %+v, want %v", g, test.want)
				}
			}
		})
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	client := newServer(t).client()
	for name, o := range map[string]redisgate.Option{
		"an empty prefix": redisgate.Prefix(""), "a prefix with a brace": redisgate.Prefix("a{b"), "a short Reclaim": redisgate.Reclaim(time.Second),
		"WaitFor nobody": redisgate.WaitFor(0), "a short Keep": redisgate.Timing(fleet.Timing{Valid: time.Second, Reclaim: time.Minute, Keep: time.Second}),
	} {
		if _, err := redisgate.New(t.Context(), client, o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestAUserWithFewRights has the rights that the package's documentation names, and TLS.
func TestAUserWithFewRights(t *testing.T) {
	certificate, key, roots := certify(t)
	port := strconv.Itoa(freePort(t))
	rights := "--user gate on >secret ~gate:* &gate:* +evalsha +eval +info +ping +subscribe +unsubscribe " +
		"+publish +hget +hmget +hset +hdel +hgetall +del +pexpire +get +set +time +wait +cluster --user default off"
	newServer(t, append(strings.Fields(rights), "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")...)
	o := rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}, Username: "gate", Password: "secret", TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	client := newClient(t, o)
	store := open(t, client)
	wantShared(t, store)
	o.Password, o.DisableRetry, o.DisableCache = "wrong", true, true
	if _, err := rueidis.NewClient(o); err == nil || strings.Contains(err.Error(), "wrong\"") {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := redisgate.New(t.Context(), client, redisgate.Prefix("other")); !errors.Is(err, redisgate.ErrUnauthorized) {
		t.Errorf("with a prefix that the user has no right to: %v", err)
	}
}

// certify makes a certificate for 127.0.0.1.
func certify(t *testing.T) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return put("cert.pem", "CERTIFICATE", der), put("key.pem", "EC PRIVATE KEY", encoded), roots
}
