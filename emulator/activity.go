package emulator

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxActivities bounds what is remembered of what went on.
const maxActivities = 500

// Activity is something that went on: a request, a check that was denied, or an event.
type Activity struct {
	// Serial grows by one with each activity.
	Serial int `json:"serial"`
	// At is when, by the emulator's clock.
	At time.Time `json:"at"`
	// Kind is request, denial or event.
	Kind string `json:"kind"`
	// Name is the operation of a request, the feature of a denial, or the event.
	Name string `json:"name"`
	// CustomerID is whom it is about, empty for nobody or for several.
	CustomerID string `json:"customerId,omitempty"`
	ResourceID string `json:"resourceId,omitempty"`
	// Status is the HTTP status of a request's answer, 0 if the connection was closed.
	Status int `json:"status,omitempty"`
	// Code is the error of a request, or the reason of a denial, empty for none.
	Code string `json:"code,omitempty"`
	// Fault says that a fault had its hand in it.
	Fault bool `json:"fault,omitempty"`
	// Took is how long the answer took, in real time.
	Took time.Duration `json:"took,omitempty"`
}

// activities are the last ones. Its mutex is a leaf.
type activities struct {
	mu     sync.Mutex
	serial int
	list   []Activity
	log    *slog.Logger
}

// WithRequestLog writes a line about each request to w: when it came, its operation,
// whom it is about, the status, the error's code and how long it took. Keys, names and
// measurements are in no line.
func WithRequestLog(w io.Writer) Option {
	return func(e *Emulator) error {
		if w == nil {
			return fmt.Errorf("the writer of the request log is nil")
		}
		e.activity.log = slog.New(slog.NewTextHandler(w, nil))
		return nil
	}
}

// Activities gives the last requests, denials and events, the oldest first: 500 at most,
// of those whose Serial is above after.
func (e *Emulator) Activities(after int) []Activity {
	a := &e.activity
	a.mu.Lock()
	defer a.mu.Unlock()
	from := len(a.list) - min(len(a.list), maxActivities, max(0, a.serial-after))
	return append([]Activity{}, a.list[from:]...)
}

func (a *activities) add(one Activity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	one.Serial = a.serial
	if len(a.list) >= 2*maxActivities {
		a.list = append([]Activity{}, a.list[len(a.list)-maxActivities:]...)
	}
	a.list = append(a.list, one)
}

// request records a request when it is done.
func (a *activities) request(one Activity) {
	one.Kind = "request"
	a.add(one)
	if a.log != nil {
		a.log.Info("request", "operation", one.Name, "customer", one.CustomerID, "status", one.Status, "code", one.Code,
			"fault", one.Fault, "took", one.Took.Round(10*time.Microsecond))
	}
}

// news records what is told to sockets.
func (a *activities) news(all []news, now time.Time) {
	for _, n := range all {
		name := map[newsKind]string{
			newsEntitlements: "entitlementsUpdated", newsUsage: "usageUpdated", newsCredits: "creditBalanceUpdated", newsPackage: "packagePublished",
		}[n.kind]
		if name == "" {
			name = n.cause
		}
		about := n.feature + n.currency + n.packageID
		if about != "" {
			name += " " + about
		}
		a.add(Activity{At: now, Kind: "event", Name: name, CustomerID: n.customer, ResourceID: n.resource})
	}
}

// denied records a check that was asked of the emulator, or told to it, and denied.
func (v view) denied(customerID, resourceID, what, reason string) {
	if reason != "" && v.w.activity != nil {
		v.w.activity.add(Activity{At: v.now, Kind: "denial", Name: what, CustomerID: customerID, ResourceID: resourceID, Code: reason})
	}
}

// watch gives a writer that remembers the status, and what to do when the request is
// done.
func (e *Emulator) watch(w http.ResponseWriter, p *prepared, edge string) (*statusWriter, func(refused *reply, fault bool)) {
	began := time.Now()
	out := &statusWriter{ResponseWriter: w}
	return out, func(refused *reply, fault bool) {
		one := Activity{At: e.clock().Add(e.offsetNow()).UTC(), Name: edge, Status: out.status, Fault: fault, Took: time.Since(began)}
		var names []string
		for _, f := range p.fields {
			names = append(names, f.Name)
			for _, id := range namedIn(f.args) {
				if about, found := strings.CutPrefix(id, "cust:"); found {
					one.CustomerID = about
				}
			}
		}
		if one.Name == "" {
			one.Name = strings.Join(names, " ")
		}
		if refused != nil && len(refused.errors) > 0 {
			one.Code, _ = refused.errors[0].Extensions["code"].(string)
		}
		e.activity.request(one)
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (e *Emulator) offsetNow() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.offset
}
