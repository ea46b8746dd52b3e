package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/examples/internal/exampletest"
	"github.com/stiggate/gate/fleet"
)

func TestMain(m *testing.M) {
	if os.Getenv(replicaVariable) != "" { // this is the process of a replica
		main()
		return
	}
	os.Exit(exampletest.Main(m, main))
}

// TestTwoReplicasHaveOneLimit has two replicas, with Redis, on each router.
func TestTwoReplicasHaveOneLimit(t *testing.T) {
	program, err := findRedis()
	if err != nil {
		t.Fatal(err)
	}
	server, err := newRedis(program, t.TempDir())
	if err == nil {
		err = server.start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.kill() }()
	shared, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	for name, router := range routers {
		t.Run(name, func(t *testing.T) {
			if err := redisgate.Provision(t.Context(), shared, redisgate.Prefix(name)); err != nil {
				t.Fatal(err)
			}
			guarded := func(g *gate.Gate, routes []conformance.Route) http.Handler {
				return router(g, routes[0].Pattern, routes[0].Policies[0], routes[0].Handler)
			}
			conformance.RunBurst(t, conformance.Adapter{Guarded: guarded}, func(t testing.TB) fleet.Fleet {
				store, err := redisgate.New(t.Context(), shared, redisgate.Prefix(name))
				if err != nil {
					t.Fatal(err)
				}
				return store
			})
		})
	}
}

// TestABurstEndsAtTheLimit is of the whole example, on each router.
func TestABurstEndsAtTheLimit(t *testing.T) {
	for name := range routers {
		t.Run(name, func(t *testing.T) {
			c, err := startCluster(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			c.burst(t.Context(), 300)
			a := c.present().look()
			if err := c.close(); err != nil { // all is delivered
				t.Error(err)
			}
			all := a.sum()
			if all.Admitted != limit || a.Peak != limit || all.Broken != 0 || all.Admitted+all.refused() != 3*300 {
				t.Errorf("%+v, at most %d", all, a.Peak)
			}
			if n := c.present().counted(); n != limit {
				t.Errorf("Stigg counts %d", n)
			}
		})
	}
}

func TestWhatItPrintsWorks(t *testing.T) {
	program := exampletest.Start(t, nil)
	program.TryCurls(t, 201)
	program.Stop(t)
}

func TestWithoutRedisItSaysHowToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := run(t.Context(), nil, io.Discard, io.Discard)
	if !errors.Is(err, errNoRedis) || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("got %v", err)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"-router", "gorilla"}, {"extra"}, {"-nonsense"}, {"-addr", "127.0.0.1:99999"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// TestWhatThePagesSayIsTaken: the commands in docs/fleet.md are this program's. make soak runs the tour.
func TestWhatThePagesSayIsTaken(t *testing.T) {
	text, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^go run -C examples/fleet \.([^#\n]*)`).FindAllStringSubmatch(string(text), -1)
	if len(commands) != 2 {
		t.Errorf("%d commands: %q", len(commands), commands)
	}
	for _, c := range commands {
		if _, err := parse(strings.Fields(c[1]), io.Discard); err != nil {
			t.Errorf("%s: %v", c[0], err)
		}
	}
}

// TestThePageIsOfThisProgramAlone: it loads nothing of others, and others' pages press none of its buttons.
func TestThePageIsOfThisProgramAlone(t *testing.T) {
	p := newPage(t.Context(), &cluster{journal: &journal{}})
	for _, test := range []struct {
		method, path, site string
		status             int
	}{
		{"GET", "/", "", 200}, {"GET", "/fleet.js", "", 200}, {"GET", "/fleet.css", "", 200}, {"GET", "/static/", "", 404}, {"GET", "/do/burst", "", 405},
		{"POST", "/do/redis/kill", "cross-site", 403}, {"POST", "/do/redis/kill", "same-site", 403},
	} {
		r, w := httptest.NewRequest(test.method, test.path, nil), httptest.NewRecorder()
		if test.site != "" {
			r.Header.Set("Sec-Fetch-Site", test.site)
		}
		p.ServeHTTP(w, r)
		if w.Code != test.status || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none';") {
			t.Errorf("%s %s: got %d, %v", test.method, test.path, w.Code, w.Header())
		}
		for _, never := range []string{"style=", "<style", "http://", "https://", "onclick"} {
			if text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/", ""); strings.Contains(text, never) {
				t.Errorf("%s has %s", test.path, never)
			}
		}
	}
}
