package drill

import (
	"context"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

// gated is how a gate and the emulated Stigg that it asks are set up, in this process.
type gated struct {
	stigg  []emulator.Option
	client []client.Option
	gate   []gate.Option
}

// start has both end with the test, the gate first.
func (s gated) start(tb testing.TB) (*emulator.Server, *gate.Gate) {
	tb.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", s.stigg...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = stigg.Close() })
	source, err := client.New(emulator.DefaultKey, append(s.client, client.WithEndpoint(stigg.URL()))...)
	if err != nil {
		tb.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), s.gate...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = g.Close(ctx)
	})
	return stigg, g
}
