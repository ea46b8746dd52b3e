package gate

import (
	"cmp"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/stiggate/gate/internal/callback"
	"github.com/stiggate/gate/internal/clock"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/internal/outage"
	"github.com/stiggate/gate/internal/problem"
)

// Option changes a Gate at New. An option that can't be taken makes New fail. Of one that is given
// twice the last counts; an outbox, a fleet and a fallback are given once.
type Option func(*config) error

// config is a Gate's settings.
type config struct {
	reporter  Reporter
	observers observers
	logger    *slog.Logger
	now       func() time.Time

	ttl             time.Duration
	liveTTL         time.Duration
	maxStale        time.Duration
	cacheSize       int
	decisionTimeout time.Duration
	coldTimeout     time.Duration

	queue          int
	queueBytes     int
	onRefused      func(Usage, error)
	undelivered    func([]Usage)
	outbox         Outbox
	outboxFailOpen bool

	fleet   replica.Config
	outage  outage.Rule
	offline bool
	bare    bool

	denials denials
}

// defaults are those that the options name.
func defaults() config {
	return config{
		logger:          slog.Default(),
		now:             clock.New().Now,
		cacheSize:       100_000,
		decisionTimeout: 250 * time.Millisecond,
		queue:           100_000,
		queueBytes:      64 << 20,
		denials:         denials{Style: problem.NewStyle(DefaultProblemBase, func(v problem.View) any { return DenialPage(v) })},
	}
}

// complete gives what depends on other options, and says what does not go together.
func (c *config) complete() error {
	c.coldTimeout = cmp.Or(c.coldTimeout, max(2*time.Second, c.decisionTimeout))
	c.ttl = cmp.Or(c.ttl, min(time.Minute, cmp.Or(c.liveTTL, time.Minute), cmp.Or(c.maxStale, time.Minute)))
	return errors.Join(
		option.AtLeast("TTL while news arrive", &c.liveTTL, 10*time.Minute, "TTL", c.ttl),
		option.AtLeast("longest staleness", &c.maxStale, time.Hour, "TTL", c.ttl),
		option.Needs(c.outboxFailOpen, "WithOutboxFailOpen", c.outbox != nil, "WithOutbox"),
		option.Needs(c.fleet.Outage != 0, "WithFleetOutage", c.fleet.Store != nil, "WithFleet"),
		option.Needs(c.onRefused != nil, "WithRefused", c.reporter != nil, "a Reporter"),
		option.Needs(c.undelivered != nil, "WithUndelivered", c.reporter != nil, "a Reporter"))
}

// WithReporter reports usage through r. Without it the Source is used, if it is a
// Reporter too, as package client is.
func WithReporter(r Reporter) Option {
	return option.Given("reporter", !option.Nil(r), func(c *config) { c.reporter = r })
}

// WithObserver tells o of every decision and every settlement. It may be given several times;
// all observers are told, in that order.
func WithObserver(o Observer) Option {
	return func(c *config) error {
		if !c.observers.Add(callback.Observer[Decision, Outcome, Usage](o)) {
			return errors.New("the observer has no function")
		}
		return nil
	}
}

// WithLogger logs what an operator must know: a feature the policies name and Stigg
// does not have, usage that was refused, Stigg out of reach. Those are changes of state,
// not requests; at DEBUG each decision and each read is logged, too. No line has a
// customer's data. The default is what slog.Default is when the gate is made;
// slog.New(slog.DiscardHandler) logs nothing.
func WithLogger(l *slog.Logger) Option {
	return option.Given("logger", l != nil, func(c *config) { c.logger = l })
}

// WithClock takes the time from now, for tests. Waiting is done on the real clock.
func WithClock(now func() time.Time) Option {
	return option.Given("clock", now != nil, func(c *config) { c.now = now })
}

// WithTTL is how long a customer's entitlements are fresh, give or take 10 %, if
// Stigg does not name an earlier end. Default: 1 minute, or WithLiveTTL or WithMaxStale if that is shorter.
func WithTTL(d time.Duration) Option {
	return option.Positive("TTL", d, func(c *config) { c.ttl = d })
}

// WithLiveTTL is the TTL while news arrive from Stigg as they happen (Watcher). It is at
// least the TTL. Default: 10 minutes.
func WithLiveTTL(d time.Duration) Option {
	return option.Positive("TTL while news arrive", d, func(c *config) { c.liveTTL = d })
}

// WithMaxStale bounds how old entitlements may be that are served while Stigg does not
// answer: longer, and the outage policy decides. Those older than their TTL are read again
// in the background as soon as somebody needs them; a request that they would refuse
// waits for that, as long as the decision timeout allows. Default: 1 hour.
func WithMaxStale(d time.Duration) Option {
	return option.Positive("longest staleness", d, func(c *config) { c.maxStale = d })
}

// WithCacheSize bounds the cache: how many customers' (and resources') entitlements
// are kept. The least recently asked for goes first; its running requests and its
// unreported usage are not forgotten with it. Default: 100,000.
func WithCacheSize(n int) Option {
	return option.Positive("cache size", n, func(c *config) { c.cacheSize = n })
}

// WithDecisionTimeout is the longest that a request waits when something is cached of its
// customer: for something fresher, or for an acknowledgement of Stigg's. Then what is cached
// decides. Of whom nothing is cached, see [WithColdTimeout]. Default: 250 ms.
func WithDecisionTimeout(d time.Duration) Option {
	return option.Positive("decision timeout", d, func(c *config) { c.decisionTimeout = d })
}

// WithColdTimeout is the longest that a request waits for the first read of a customer of
// whom nothing is cached; then the outage policy decides, and the read goes on and fills the
// cache. It is longer than the decision timeout, since Stigg may be an ocean away, and the
// first request of each customer after a start would get 503; [Gate.Warm] reads customers
// before. Default: 2 s, or the decision timeout if that is longer.
func WithColdTimeout(d time.Duration) Option {
	return option.Positive("timeout of a first read", d, func(c *config) { c.coldTimeout = d })
}

// WithQueueSize bounds how many usages wait in memory: settled ones and those that
// running requests may still report. When it is full, requests that would report
// are denied with 503, so that none goes unrecorded. A usage takes some 200 bytes and its
// dimensions. With an outbox it bounds no more than memory: what does not find a place waits
// in the outbox alone, as much as that takes. Default: 100,000.
func WithQueueSize(n int) Option {
	return option.Positive("queue size", n, func(c *config) { c.queue = n })
}

// WithQueueBytes bounds the memory that waiting usages take, as WithQueueSize bounds their
// number: 256 bytes and the names and dimensions of each. The dimensions of one usage may be
// 1 MB, so a number alone bounds little. Default: 64 MiB.
func WithQueueBytes(n int) Option {
	return option.Positive("queue's size in bytes", n, func(c *config) { c.queueBytes = n })
}

// WithOutbox keeps usage beyond the life of the process: what is settled is in the
// outbox before the response leaves, and what an earlier run left there is delivered now
// and counts before the first request is admitted. It is for one gate, which closes it; New that
// fails does not.
//
// The response waits for the outbox as long as nothing of it was flushed: net/http keeps
// up to 2 kB. A handler that writes more settles its Ticket first.
//
// How much may wait is bounded by the outbox, not by memory: up to half of WithQueueSize, and
// at most 10,000 of a kind, are in memory, and what came later is read from the outbox as those
// are delivered.
func WithOutbox(o Outbox) Option {
	return option.Once("outbox", o, func(c *config) *Outbox { return &c.outbox })
}

// WithOutboxFailOpen lets requests in whose usage the outbox can't keep: it is then in
// memory only, and a crash loses it. Without this option they are denied with 503.
// Either is logged once, when the outbox begins to fail, and counted in Stats.Unkept.
func WithOutboxFailOpen() Option {
	return option.Set(func(c *config) { c.outboxFailOpen = true })
}

// WithRefused has f told of usage that Stigg refused for good (an unknown feature, an
// archived customer), with Stigg's reason. It is called from one goroutine, one usage after the
// other, apart from the delivery, which does not wait for it. What it was not yet told takes its
// place in the queue; Close waits until it was told all.
func WithRefused(f func(Usage, error)) Option {
	return option.Given("function for refused usage", f != nil, func(c *config) { c.onRefused = f })
}

// WithUndelivered gives f, at the end of Close, the usage that is lost with the process: what Stigg
// has not acknowledged and no outbox keeps. Report with the same Key counts none of it twice. f is called
// once, if there is any, and has a second; a panic of it is logged.
func WithUndelivered(f func([]Usage)) Option {
	return option.Given("function for undelivered usage", f != nil, func(c *config) { c.undelivered = f })
}

// WithStatus changes the HTTP status of denials with this reason. A policy's own
// Status comes first. ReasonUnknown also stands for all reasons that this version
// does not know.
func WithStatus(reason Reason, status int) Option {
	return func(c *config) error { return c.denials.SetStatus(string(reason), status) }
}

// WithDenial answers refusals by f: as the app's own JSON, its page, or a redirect. A Denial has
// everything that the standard answer says, and writes that, too, where f wants it. What f
// answers must say that the request was refused. On every router, and for HEAD, it is
// called where WriteDenial is; a policy's OnDenial comes before it.
func WithDenial(f func(w http.ResponseWriter, r *http.Request, d Denial)) Option {
	return option.Given("function of WithDenial", f != nil, func(c *config) { c.denials.own = f })
}

// WithTexts gives the title and the detail of denials in the reader's languages: those of
// Accept-Language, the one preferred first. What is empty stays as it is, in English. The
// answer then varies by Accept-Language.
func WithTexts(f func(languages []string, d DenialPage) (title, detail string)) Option {
	return option.Given("function of WithTexts", f != nil, func(c *config) {
		c.denials.Say = func(languages []string, v problem.View) (string, string) { return f(languages, DenialPage(v)) }
	})
}

// WithUpgrade makes the link of denials that another plan would mend: to a customer's own page, to
// a checkout. It is an http or https URL, or a path on the same host that begins with /; any
// other, "" too, is left out, and WithUpgradeLink's is taken.
func WithUpgrade(f func(r *http.Request, d Decision) string) Option {
	return option.Given("function of WithUpgrade", f != nil, func(c *config) { c.denials.upgrade = f })
}

// WithUpgradeLink puts a link into denials that another plan would mend: an http or https
// URL, or a path on the same host that begins with /. {feature} in it is replaced by the
// feature's id.
func WithUpgradeLink(link string) Option {
	return func(c *config) error { return c.denials.SetUpgrade(link) }
}

// WithChallenge is the field WWW-Authenticate of every 401, such as
// `Bearer realm="api"`: how to say who asks. RFC 9110, section 15.5.2, wants one there; the
// gate does not know what stands in front of it, so by default there is none.
func WithChallenge(challenge string) Option {
	return func(c *config) error { return c.denials.SetChallenge(challenge) }
}

// WithProblemBase is what the type of every denial begins with; the code follows.
// The page it leads to should explain the codes. Default: DefaultProblemBase.
func WithProblemBase(base string) Option {
	return func(c *config) error { return c.denials.SetBase(base) }
}

// WithDenialTemplate answers the denials of requests that prefer HTML with the app's own
// page. The template is executed with a DenialPage. New tries it and fails if it
// does; should it fail later, the answer is problem+json, and the failure is logged.
//
// Status and headers are the gate's, with one exception: a Content-Security-Policy is not
// set, so that the page may load what the app's own policy lets it.
func WithDenialTemplate(t *template.Template) Option {
	return func(c *config) error { return c.denials.SetTemplate(t) }
}

// WithQuotaHeaders tells clients what is left of a metered feature, in the header of
// answers let in and of those refused because of its limit. Pages of another origin
// see the fields only if the app's CORS settings expose them. Default:
// QuotaHeadersNone.
func WithQuotaHeaders(q QuotaHeaders) Option {
	return option.Known("QuotaHeaders", q, QuotaHeadersLegacy, func(c *config) { c.denials.quota = q })
}

// WithOutage says for all policies that don't themselves what becomes of requests when
// nothing is known of their customer. Default: OutageDeny.
func WithOutage(o Outage) Option {
	return func(c *config) error {
		c.outage.Answer = outage.Answer(o)
		return c.outage.Answer.Check()
	}
}

// WithFallback says for all policies that don't themselves what everybody has when nothing
// is known of a customer. Features that it does not name are decided by WithOutage.
func WithFallback(f Fallback) Option {
	checked, err := f.checked()
	if err != nil {
		return func(*config) error { return err }
	}
	return option.Once("fallback", checked, func(c *config) *outage.Fallback { return &c.outage.Fallback })
}

// WithOffline decides by the fallbacks alone and never uses the network: for tests and for
// development. The Source may be nil. Usage counts in this process and is reported to
// nobody. Refusals are those of the plan then, 402 among them.
func WithOffline() Option {
	return option.Set(func(c *config) { c.offline = true })
}

// WithBareRequests hands requests on as they came where nothing is reported of them: DecisionFrom
// and CustomerFrom then find nothing there, and such a request costs no allocation.
func WithBareRequests() Option {
	return option.Set(func(c *config) { c.bare = true })
}
