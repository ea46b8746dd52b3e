package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Stigg's rules of delivery (webhooks' documentation).
const (
	hookPatience = 30 * time.Second // for an answer
	hookAtOnce   = 4                // attempts without a pause
	hookAttempts = 7
	hookPause    = 30 * time.Second // before each of the others
)

// hookWorkers is how many deliveries are under way at a time.
const hookWorkers = 16

// Delivery is a message that was sent, or is to be sent, to a webhook.
type Delivery struct {
	// MessageID is the same in every attempt.
	MessageID string
	// Type is what happened, for example entitlements.updated.
	Type string
	// URL is where it goes: that of the webhook when it happened.
	URL string
	// Body is the JSON that is sent. It is shared and must not be changed.
	Body []byte
	// Done says that no attempt follows, Delivered that one was answered with 2xx.
	Done, Delivered bool
	Attempts        []Attempt
}

// Attempt is one request of a [Delivery].
type Attempt struct {
	// At is when it was answered or failed, by the emulator's clock.
	At time.Time
	// Status of the answer, 0 if there was none; then Err says why.
	Status int
	Err    string
}

// WithWebhook is [Emulator.SetWebhook] from the start.
func WithWebhook(url, secret string) Option {
	return func(e *Emulator) error { return e.hooks.set(url, secret) }
}

// SetWebhook sends what happens from now on to an http or https URL, with the
// secret in the header Stigg-Webhooks-Secret. An empty URL sends nothing more. What
// has happened before still goes where it was meant to, with the secret of that time.
//
// What is told, in the order of a customer's life: customer.created, .updated,
// .payment_failed and .deleted (archived), subscription.created, .updated, .canceled and
// .expired, trial.started, .ends_soon (7 days before), .converted and .expired,
// promotional_entitlement.granted, .updated, .revoked and .expired, entitlements.updated with
// the whole set of every resource whose set changed, measurement.reported for usage
// that counted, entitlement.usage_exceeded when it went over a hard or soft limit,
// credit.granted, .voided and .consumed, credit_balance.depleted when nothing is
// left, credit.auto_recharge_configuration_changed and .auto_recharge_limit_exceeded,
// plan.updated and addon.updated for what was published, coupon.created, and feature.updated
// ([Emulator.SetFeatureStatus]). What expires is told when [Emulator.Advance] passes it. Every body has
// customer{id} with customerId, and resource{id} or null with resourceId, beside what
// Stigg documents; where its documentation is silent, the rest is the emulator's choice.
//
// An attempt waits 30 s for an answer. One that isn't answered with 2xx is followed
// by three others at once, and these by three more, each 30 s after the one before
// by the emulator's clock, so that [Emulator.Advance] brings them. Deliveries
// overtake each other.
func (e *Emulator) SetWebhook(url, secret string) error {
	if err := e.hooks.set(url, secret); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	return nil
}

// Deliveries gives everything that was to be sent to a webhook, in the order in
// which it happened.
func (e *Emulator) Deliveries() []Delivery {
	e.hooks.mu.Lock()
	defer e.hooks.mu.Unlock()
	out := make([]Delivery, len(e.hooks.all))
	for i, d := range e.hooks.all {
		out[i] = d.Delivery
		out[i].Attempts = slices.Clone(d.Attempts)
	}
	return out
}

// webhooks delivers. Its mutex is taken after the world's, never before.
type webhooks struct {
	client *http.Client
	now    func() time.Time

	mu          sync.Mutex
	url, secret string
	all         []*delivery
	queue       []*delivery
	workers     int
	empty       map[walletID]bool
	moved       chan struct{} // closed when the clock is moved
	stop        context.CancelFunc
	ctx         context.Context
	running     sync.WaitGroup
}

// walletID names a wallet of any customer.
type walletID struct{ customer, resource, currency string }

type delivery struct {
	Delivery
	secret string
	due    time.Time
}

// start makes webhooks able to deliver; the clock locks the world.
func (h *webhooks) start(now func() time.Time) {
	h.now = now
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.moved = make(chan struct{})
	h.empty = map[walletID]bool{}
	h.client = &http.Client{
		Timeout: hookPatience, Transport: &http.Transport{MaxIdleConnsPerHost: hookWorkers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h *webhooks) set(to, secret string) error {
	if to != "" {
		u, err := url.Parse(to)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("webhook: the URL is not one of http or https")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.url, h.secret = to, secret
	return nil
}

// wanted says whether there is somebody to tell.
func (h *webhooks) wanted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.url != "" && h.ctx.Err() == nil
}

// spread queues what happened. It waits for nobody.
func (h *webhooks) spread(v view, all []news) {
	if !h.wanted() {
		return
	}
	for _, n := range all {
		for kind, more := range h.messages(v, n) {
			h.add(v.envelope(kind, more))
		}
	}
}

func (h *webhooks) add(kind, id string, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &delivery{Delivery: Delivery{MessageID: id, Type: kind, URL: h.url, Body: body}, secret: h.secret}
	h.all = append(h.all, d)
	h.enqueue(d)
}

// enqueue gives a delivery to a worker. The caller holds the mutex.
func (h *webhooks) enqueue(d *delivery) {
	h.queue = append(h.queue, d)
	if h.workers < hookWorkers && h.ctx.Err() == nil {
		h.workers++
		h.running.Go(h.work)
	}
}

// work delivers until the queue is empty.
func (h *webhooks) work() {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 || h.ctx.Err() != nil {
			h.workers--
			h.mu.Unlock()
			return
		}
		d := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		for !h.attempt(d) {
		}
	}
}

// attempt sends a message once. It gives false if it is to be sent again at once.
func (h *webhooks) attempt(d *delivery) bool {
	a := h.post(d)
	a.At = h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	d.Attempts = append(d.Attempts, a)
	switch {
	case a.Status >= 200 && a.Status <= 299:
		d.Done, d.Delivered = true, true
	case len(d.Attempts) >= hookAttempts || h.ctx.Err() != nil:
		d.Done = true
	case len(d.Attempts) < hookAtOnce:
		return false
	default:
		d.due = a.At.Add(hookPause)
		h.running.Go(func() { h.wait(d) })
	}
	return true
}

// wait queues a delivery when it is due.
func (h *webhooks) wait(d *delivery) {
	for {
		h.mu.Lock()
		moved := h.moved
		h.mu.Unlock()
		left := d.due.Sub(h.now())
		if left <= 0 {
			break
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-moved:
		case <-h.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enqueue(d)
}

// tick tells those who wait that the clock was moved.
func (h *webhooks) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.moved)
	h.moved = make(chan struct{})
}

func (h *webhooks) post(d *delivery) Attempt {
	req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return Attempt{Err: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stigg-Webhooks-Secret", d.secret)
	resp, err := h.client.Do(req)
	if err != nil {
		return Attempt{Err: err.Error()}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return Attempt{Status: resp.StatusCode}
}

// close gives up what is under way and waits until nothing runs.
func (h *webhooks) close() {
	h.mu.Lock()
	h.stop()
	h.mu.Unlock()
	h.running.Wait()
	h.client.CloseIdleConnections()
}

// MarshalJSON writes the delivery as the operator's window shows it.
func (d Delivery) MarshalJSON() ([]byte, error) {
	type attempt struct {
		At     string `json:"at"`
		Status int    `json:"status,omitempty"`
		Err    string `json:"error,omitempty"`
	}
	attempts := []attempt{}
	for _, a := range d.Attempts {
		attempts = append(attempts, attempt{isoTime(a.At), a.Status, a.Err})
	}
	return json.Marshal(struct {
		MessageID string          `json:"messageId"`
		Type      string          `json:"type"`
		URL       string          `json:"url"`
		Done      bool            `json:"done"`
		Delivered bool            `json:"delivered"`
		Attempts  []attempt       `json:"attempts"`
		Body      json.RawMessage `json:"body"`
	}{d.MessageID, d.Type, d.URL, d.Done, d.Delivered, attempts, d.Body})
}
