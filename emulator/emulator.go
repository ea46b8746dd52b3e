package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/stiggate/gate/internal/option"
)

// DefaultKey is the API key that an emulator asks for unless [WithKey] says
// another. It is no secret.
const DefaultKey = "stigg-emulator-key"

// Emulator is an emulated Stigg. It is an [http.Handler] that serves
// POST /graphql, real time over websockets at the same path, the edge reads below
// /v1/ and the operator's window below /_emulator/. Pages in a browser may ask the API
// if they are of this machine, or if the key is not [DefaultKey], which everybody
// knows; the operator's window serves its own pages only. All methods are safe for
// concurrent use. What it runs, for sockets and webhooks, [Emulator.Close] ends.
type Emulator struct {
	key   string
	delay time.Duration
	// resolution is 0 where times may not tie.
	resolution time.Duration
	clock      func() time.Time
	catalog    *catalog
	demo       bool
	schema     *ast.Schema
	fields     map[string]resolver
	mux        http.Handler
	traces     atomic.Int64
	activity   activities
	origins    []string
	hosts      []string
	// remoteHooks lets the operator's window set webhooks on other machines.
	remoteHooks bool
	faults      faults

	sockets                sockets
	socketFaults           socketFaults
	initTimeout, keepAlive time.Duration
	without                []string
	limits                 limits
	hooks                  webhooks
	alarm                  *time.Timer
	closed                 bool

	statePath string
	stateFile sync.Mutex // held while the state is written; guards stateOver
	stateLock *os.File
	stateOver bool // nothing is written any more

	mu       sync.Mutex
	saving   *time.Timer
	reading  bool // whoever holds mu changes nothing that is kept
	stateErr error
	offset   time.Duration
	world    *world
	requests map[string]int
	// base is the URL that the last caller knew the emulator by.
	base string

	seen      sync.Mutex // guards documents
	documents map[string]*ast.QueryDocument
}

// Option changes how an [Emulator] is made. An option whose value can't be used
// makes [New] fail.
type Option func(*Emulator) error

// WithKey sets the API key that callers must send in the header X-API-KEY. The
// key appears in no answer and in no error.
func WithKey(key string) Option {
	return func(e *Emulator) error {
		if key == "" {
			return errors.New("the key is empty")
		}
		e.key = key
		return nil
	}
}

// WithClock sets where the present comes from; [Emulator.Advance] adds to it.
// It must be safe for concurrent use and must not call the emulator. The
// default is [time.Now].
func WithClock(now func() time.Time) Option {
	return func(e *Emulator) error {
		if now == nil {
			return errors.New("the clock is nil")
		}
		e.clock = now
		return nil
	}
}

// WithCatalog replaces the default catalog, and its customers, by one read from
// r, in the format of the package's revvenu.json, which [CatalogSchema] describes. Errors
// name the field at fault, for example "plans[1].entitlements[0].featureId".
func WithCatalog(r io.Reader) Option {
	return func(e *Emulator) (err error) {
		e.catalog, err = readCatalog(r)
		return err
	}
}

// WithCatalogFile is [WithCatalog] with a file.
func WithCatalogFile(path string) Option {
	return func(e *Emulator) error {
		f, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		defer f.Close()
		if err := WithCatalog(f)(e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
}

// WithCreditsDemo replaces the default catalog, and its customers, by "Scribe", a
// made-up product of the package's credits.json: its features are paid in credits
// of the currency currency-tokens, of which customer-tokens has 120.
func WithCreditsDemo() Option {
	return func(e *Emulator) error { return WithCatalog(bytes.NewReader(scribe))(e) }
}

// WithRemoteWebhooks lets POST /_emulator/webhooks name any host. Without it only hosts
// of this machine can be set there, since the operator's window asks for no key.
func WithRemoteWebhooks() Option {
	return func(e *Emulator) error {
		e.remoteHooks = true
		return nil
	}
}

// WithoutDemo leaves the catalog's customers out.
func WithoutDemo() Option {
	return func(e *Emulator) error {
		e.demo = false
		return nil
	}
}

// WithCountingDelay makes raw events and the consumptions of consumeCreditsAsync
// count only d after they arrived, by the emulator's clock. Stigg needs some ten
// seconds for it; the default is none. [Emulator.Events] has them at once.
func WithCountingDelay(d time.Duration) Option {
	return func(e *Emulator) error {
		if d < 0 {
			return fmt.Errorf("the counting delay %v is below 0", d)
		}
		e.delay = d
		return nil
	}
}

// WithClockResolution truncates the times that say when something happened, in
// acknowledgements, entitlements, pushes and webhooks, to multiples of d, so that
// things which happened one after the other say the same time. Without it, no two
// acknowledgements say the same time. Periods and expiries stay exact.
func WithClockResolution(d time.Duration) Option {
	return func(e *Emulator) error {
		if d < time.Millisecond {
			return fmt.Errorf("the clock resolution %v is below 1ms, the finest that the API can say", d)
		}
		e.resolution = d
		return nil
	}
}

// New makes an emulator with the Revvenu catalog and its demo customers, unless
// options say otherwise.
func New(opts ...Option) (*Emulator, error) {
	e := &Emulator{
		key: DefaultKey, clock: time.Now, demo: true, fields: modelled(),
		requests: map[string]int{}, documents: map[string]*ast.QueryDocument{},
		initTimeout: 10 * time.Second, keepAlive: 30 * time.Second,
	}
	e.hooks.start(e.Now)
	err := errors.Join(option.Apply(e, opts)...)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if e.schema, err = loadSchema(); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if err := e.leaveOut(); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if e.catalog == nil {
		if e.catalog, err = readCatalog(bytes.NewReader(revvenu)); err != nil {
			return nil, fmt.Errorf("emulator: %w", err)
		}
	}
	e.renew()
	if e.demo {
		if err := e.world.seed(e.catalog.Seeds); err != nil {
			return nil, fmt.Errorf("emulator: catalog: %w", err)
		}
	}
	if e.statePath != "" {
		if err := e.openState(); err != nil {
			return nil, fmt.Errorf("emulator: %w", err)
		}
	}
	e.world.news.take()
	e.mux = e.routes()
	return e, nil
}

// renew makes a world without customers.
func (e *Emulator) renew() {
	e.world = newWorld(e.catalog)
	e.world.delay, e.world.resolution, e.world.activity = e.delay, e.resolution, &e.activity
}

// ServeHTTP serves the API; see [Emulator]. It panics with [http.ErrAbortHandler],
// which a server takes for an order to close the connection, where a fault says so.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.mux.ServeHTTP(w, r) }

// now gives the present in UTC to the millisecond, which is what the API can
// say. The caller holds the mutex.
func (e *Emulator) now() time.Time {
	return e.clock().Add(e.offset).UTC().Truncate(time.Millisecond)
}

// present is now with everything done that has become due. The caller holds the
// mutex.
func (e *Emulator) present() time.Time {
	now := e.now()
	e.world.settle(now)
	e.world.runSchedules(now)
	return now
}

// Now gives the emulator's present, in UTC.
func (e *Emulator) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now()
}

// Advance moves the emulator's clock, backwards for a negative d. Periods roll
// and grants expire by this clock; timestamps of answers never go back. A move out
// of the years 1970 to 2200 is ignored, and reported as false.
func (e *Emulator) Advance(d time.Duration) bool {
	e.mu.Lock()
	defer e.unlock()
	return e.move(e.clock().Add(e.offset).Add(d))
}

// move sets the clock to t, from where it goes on. The caller holds the mutex.
func (e *Emulator) move(t time.Time) bool {
	if year := t.UTC().Year(); year < 1970 || year > 2200 {
		return false
	}
	before := e.now()
	e.offset = t.Sub(e.clock())
	now := e.present()
	e.world.passed(before, now)
	e.hooks.tick()
	return true
}

// setClock is Advance to a time.
func (e *Emulator) setClock(t time.Time) bool {
	e.mu.Lock()
	defer e.unlock()
	return e.move(t)
}

// Usage gives every measurement that was accepted, in order of arrival, those
// that did not count again included. What the catalog seeds is not in it.
func (e *Emulator) Usage() []Measurement {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.world.measurements)
}

// Events gives every raw event that was accepted, in order of arrival. The
// dimensions are shared and must not be changed.
func (e *Emulator) Events() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.world.events)
}

// CreditUses gives every consumption of credits that was accepted, in order of
// arrival, those that took nothing again included. With [WithCountingDelay] those
// of consumeCreditsAsync and of events are in it once they count.
func (e *Emulator) CreditUses() []CreditUse {
	e.mu.Lock()
	defer e.unlock()
	e.present()
	return slices.Clone(e.world.uses)
}

// Requests counts what was executed since the start: each root field by its
// name, once for every time an operation had it, and the edge reads as
// edge.entitlements-state, edge.entitlements, edge.subscriptions, edge.paywall and
// edge.sdk-configuration. Requests that were refused before execution are not counted.
func (e *Emulator) Requests() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.requests)
}
