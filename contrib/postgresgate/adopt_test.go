package postgresgate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/postgresgate"
)

func usageOf(key string) gate.Usage {
	return gate.Usage{Customer: gate.Customer{ID: "acme"}, FeatureID: "units", Value: 1, Key: key, CreatedAt: time.Now().UTC()}
}

// TestAPoolOfOneConnection is enough: while one adopts, usage is kept, read and done, and what another
// process has left is taken over.
func TestAPoolOfOneConnection(t *testing.T) {
	s := theServer(t)
	schema := schemaOf(t.Name())
	s.migrated(schema)
	open := func() *postgresgate.Box {
		b, err := postgresgate.Outbox(t.Context(), s.pool("postgres", "search_path="+schema, "pool_max_conns=1"), postgresgate.Lease(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	b, other, taken, ended := open(), open(), make(chan gate.Usage, 10), make(chan error, 1)
	go func() {
		ended <- b.Adopt(ctx, func(all ...gate.Usage) error {
			for _, u := range all {
				taken <- u
			}
			return nil
		})
	}()
	if err := other.Append(ctx, usageOf("other")); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case u := <-taken:
		if u.Key != "other" {
			t.Errorf("%q is taken over", u.Key)
		}
	case <-ctx.Done():
		t.Fatal("nothing is taken over")
	}
	var appends sync.WaitGroup
	for i := range 50 {
		appends.Go(func() {
			if err := b.Append(ctx, usageOf(fmt.Sprint(i))); err != nil {
				t.Errorf("Append: %v", err)
			}
		})
	}
	appends.Wait()
	n := 0
	for k, err := range b.Pending(0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if err := b.Done(k.Usage); err != nil { // while the outbox is being read
			t.Fatal(err)
		}
	}
	if n != 50 {
		t.Errorf("%d are pending, want 50", n)
	}
	for range b.Pending(0) {
		t.Error("what is done is pending")
	}
	end()
	if err := <-ended; err != nil {
		t.Errorf("Adopt: %v", err)
	}
}
