package postgresgate_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/postgresgate"
)

// shared is the server of most tests, one for all.
var shared *server

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		children[what]()
		os.Exit(0)
	}
	code := m.Run()
	if shared != nil {
		shared.kill()
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// theServer starts it once.
func theServer(t *testing.T) *server {
	t.Helper()
	if shared == nil {
		shared = newServer(suite{t})
		shared.t = t
	}
	shared.t = t
	return shared
}

// suite is a test whose cleanups are TestMain's.
type suite struct{ testing.TB }

func (suite) Cleanup(func()) {}

func TestOutbox(t *testing.T) {
	s := theServer(t)
	pools := map[string]*pgxpool.Pool{}
	conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) {
		if pools[dir] == nil {
			pools[dir] = s.migrated(schemaOf(dir))
		}
		return postgresgate.Outbox(t.Context(), pools[dir])
	})
}

// schemaOf is the name of a schema for a test.
func schemaOf(test string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(test))
	return fmt.Sprintf("s%x", h.Sum64())
}
