package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// SecretHeader is where Stigg puts the secret of the endpoint.
const SecretHeader = "Stigg-Webhooks-Secret" //nolint:gosec // the name of a header

const (
	defaultMaxBody     = 1 << 20
	defaultReadTimeout = 10 * time.Second
	defaultRemember    = 10_000
)

// Handler is an http.Handler for the URL that Stigg delivers to. Make it with [New]. It
// may serve many requests at once, starts no goroutine and needs no closing.
//
// It answers
//
//	204  what is authentic and JSON, also of an unknown type, and again
//	400  what is no JSON object
//	401  without the secret; nothing of the body is looked at
//	405  another method than POST
//	408  a body that takes too long to arrive
//	413  a body that is too large
//	500  what the function given to OnEvent could not handle: Stigg sends it again
//
// without a body, and logs nothing; see [Handler.Stats].
type Handler struct {
	sink        gate.Sink
	secrets     [][sha256.Size]byte
	onEvent     func(context.Context, Event) error
	maxBody     int64
	readTimeout time.Duration
	remember    int
	alwaysRead  bool
	environment string // "": any
	now         func() time.Time

	messages *messages
	newest   *newest
	counts   counts
}

// Option configures a Handler in [New]. It returns an error if its argument can't be used.
type Option func(*Handler) error

// New returns a handler that tells sink, usually a gate's (Gate.Sink). A delivery must carry one
// of the secrets: give the old and the new one while you rotate them. The error quotes
// none of the arguments.
func New(sink gate.Sink, secrets []string, opts ...Option) (*Handler, error) {
	if sink == nil {
		return nil, errors.New("webhook: the sink is nil")
	}
	if len(secrets) == 0 {
		return nil, errors.New("webhook: there is no secret")
	}
	h := &Handler{sink: sink, maxBody: defaultMaxBody, readTimeout: defaultReadTimeout, remember: defaultRemember, now: time.Now}
	for _, s := range secrets {
		switch {
		case s == "":
			return nil, errors.New("webhook: a secret is empty")
		case strings.ContainsFunc(s, unprintable) || s != strings.TrimSpace(s):
			return nil, errors.New("webhook: a secret has a space at an end or a character that no header can have, such as the newline of a file")
		}
		h.secrets = append(h.secrets, sha256.Sum256([]byte(s)))
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("webhook: an option is nil")
		}
		if err := opt(h); err != nil {
			return nil, err
		}
	}
	h.messages, h.newest = newMessages(h.remember), newNewest(h.remember)
	return h, nil
}

// unprintable reports whether a header field can't have the character (RFC 9110, section 5.5).
func unprintable(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// OnEvent makes f hear of every authentic event, also of those that the gate has no use
// for, after the gate has. If it returns an error, the delivery is answered with 500 and
// Stigg sends it again; if not, the same messageId does not come to it again. It must
// return well within Stigg's 30 s, when ctx ends, and is called from many goroutines at
// once. Events may come in any order.
func OnEvent(f func(ctx context.Context, e Event) error) Option {
	return func(h *Handler) error {
		if f == nil {
			return errors.New("webhook: the function for events is nil")
		}
		if h.onEvent != nil {
			return errors.New("webhook: the function for events is given twice")
		}
		h.onEvent = f
		return nil
	}
}

// MaxBody bounds a delivery, 1 MiB by default; between 1 KiB and 64 MiB.
func MaxBody(bytes int64) Option {
	return func(h *Handler) error {
		if bytes < 1<<10 || bytes > 64<<20 {
			return errors.New("webhook: the largest body is not within 1 KiB and 64 MiB")
		}
		h.maxBody = bytes
		return nil
	}
}

// ReadTimeout bounds how long a body may take to arrive, 10 s by default; at most a minute.
func ReadTimeout(d time.Duration) Option {
	return func(h *Handler) error {
		if d < time.Millisecond || d > time.Minute {
			return errors.New("webhook: the time to read is not within 1 ms and 1 minute (a number alone counts nanoseconds)")
		}
		h.readTimeout = d
		return nil
	}
}

// Remember sets of how many messages, and of how many customers, it is remembered what
// came last, 10,000 by default and about 150 bytes each.
func Remember(n int) Option {
	return func(h *Handler) error {
		if n < 1 || n > 10_000_000 {
			return errors.New("webhook: the number to remember is not within 1 and 10,000,000")
		}
		h.remember = n
		return nil
	}
}

// AlwaysRead has a customer's entitlements read from Stigg whenever a webhook says that
// they changed, where otherwise a set that came whole and fresh is taken from it. Stigg's
// webhooks do not list wallets: use it if you check a wallet's balance of customers that
// have no feature priced in credits.
func AlwaysRead() Option {
	return func(h *Handler) error {
		h.alwaysRead = true
		return nil
	}
}

// Environment takes only deliveries of the Stigg environment with this id, the environmentId
// of a delivery; others are answered 204, counted in Stats.Elsewhere and go no further. Use it
// if two environments may deliver with the same secret, for otherwise staging speaks for
// production.
func Environment(id string) Option {
	return func(h *Handler) error {
		if id == "" {
			return errors.New("webhook: the environment's id is empty")
		}
		h.environment = id
		return nil
	}
}

// ServeHTTP takes one delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Whatever is left of a body the server reads to the end of this time, too.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.readTimeout))
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if !h.authentic(r.Header.Values(SecretHeader)) {
		h.counts.refused.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, status := h.body(w, r)
	if status != 0 {
		h.counts.malformed.Add(1)
		w.WriteHeader(status)
		return
	}
	_ = control.SetReadDeadline(time.Time{}) // a server may end the request's context by it
	w.WriteHeader(h.deliver(r.Context(), body))
}

// authentic compares with every secret, in a time that tells nothing of any.
func (h *Handler) authentic(given []string) bool {
	if len(given) != 1 {
		return false
	}
	sum := sha256.Sum256([]byte(given[0]))
	equal := 0
	for i := range h.secrets {
		equal |= subtle.ConstantTimeCompare(sum[:], h.secrets[i][:])
	}
	return equal == 1
}

// body reads the body, or returns the status that says why not.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	if r.ContentLength > h.maxBody {
		w.Header().Set("Connection", "close")
		return nil, http.StatusRequestEntityTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, http.StatusRequestTimeout
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return bytes.TrimSpace(body), 0
}

// deliver handles an authentic body and returns the status of the answer.
func (h *Handler) deliver(ctx context.Context, body []byte) int {
	e, p, ok := parse(body)
	if !ok {
		h.counts.malformed.Add(1)
		return http.StatusBadRequest
	}
	h.counts.received.Add(1)
	if h.environment != "" && string(p.Environment) != h.environment {
		h.counts.elsewhere.Add(1)
		return http.StatusNoContent
	}
	done, again := h.messages.begin(ctx, e.MessageID)
	if done == nil {
		if !again {
			return http.StatusServiceUnavailable
		}
		h.counts.repeated.Add(1)
		return http.StatusNoContent
	}
	handled := false
	defer func() { done(handled) }()
	h.tell(e, p)
	if h.onEvent != nil {
		if err := h.onEvent(ctx, e); err != nil {
			h.counts.failed.Add(1)
			return http.StatusInternalServerError
		}
	}
	handled = true
	return http.StatusNoContent
}
