package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/outbox"
)

// The kinds of server.
const (
	Bare      = "without Gate"
	Unmetered = "Gate, unmetered"
	Metered   = "Gate, metered"
	Waiting   = "without Gate, a sync of the disk that all share"
	Outbox    = "Gate, metered, with an outbox"
)

// Kinds are all of them.
var Kinds = []string{Bare, Unmetered, Metered, Waiting, Outbox}

// customers are those who send requests.
const customers = 1000

// Serve serves one kind on loopback until stdin ends. It writes its address at first, and its processor
// time at last.
func Serve(kind string, _ time.Duration, stdin io.Reader, stdout io.Writer) error {
	mux := http.NewServeMux()
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }))
	dir, err := os.MkdirTemp("", "gate-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	policy, g, err := gated(kind, dir)
	if err != nil {
		return err
	}
	if g != nil {
		defer world.Drop(g)
		handler = nethttp.Require(g, policy)(handler)
	}
	if kind == Waiting {
		d, err := newDisk(dir)
		if err != nil {
			return err
		}
		handler = kept(d, handler)
	}
	mux.Handle("POST /campaigns", handler)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	if _, err := fmt.Fprintln(stdout, listener.Addr()); err != nil {
		return err
	}
	begun := measure.ProcessorTime()
	_, _ = io.Copy(io.Discard, stdin)
	return json.NewEncoder(stdout).Encode(measure.ProcessorTime() - begun)
}

// gated is the gate of a kind of server, and what it asks; nil of the bare one. An outbox is in dir.
func gated(kind, dir string) (gate.Policy, *gate.Gate, error) {
	policy := gate.Feature(world.Metered).Uses(1)
	options := []gate.Option{gate.WithBareRequests()}
	switch kind {
	case Bare, Waiting:
		return gate.Policy{}, nil, nil
	case Unmetered:
		policy = gate.Feature(world.Boolean)
	case Outbox:
		box, err := outbox.Open(dir, outbox.MaxBytes(8<<30))
		if err != nil {
			return policy, nil, err
		}
		options = append(options, gate.WithOutbox(box))
	}
	g, err := world.Gate(paced(world.Two()), world.Customers(customers), options...)
	return policy, g, err
}

// paced is a Stigg that takes as much usage as the real one: its limit on calls is the gate's pace, and
// each takes some milliseconds.
type paced []gate.Entitlement

func (p paced) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	return world.Source(p).Entitlements(ctx, c)
}

func (p paced) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return make([]gate.Ack, len(batch)), nil
	}
}
