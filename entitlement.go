package gate

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Source says what a customer has. It is asked for whole sets, so that one call
// answers for all features. Package client is one; tests write their own.
//
// A customer that Stigg does not know, has archived or gave no subscription is
// not an error: it is a set with Denied filled. An error means that nothing is
// known; the gate then answers as for an outage. Entitlements must return when
// ctx ends, and is called from many goroutines at once.
//
// An *UpstreamError says what its failure means and how long not to ask again; any other
// error means that Stigg is down. A Source that is also a ReadPacer is asked how fast to
// read.
type Source interface {
	Entitlements(ctx context.Context, c Customer) (EntitlementSet, error)
}

// NoCache reports, of a Source's context, whether a copy of what Stigg says that may lag, such as
// its edge's, will not do: the set is read since something has changed, or since it is in doubt
// how much is used.
func NoCache(ctx context.Context) bool { return ctx.Value(noCacheKey{}) != nil }

// ContextWithNoCache makes NoCache true of a context: for a Source in front of another one.
func ContextWithNoCache(ctx context.Context) context.Context {
	return context.WithValue(ctx, noCacheKey{}, true)
}

type noCacheKey struct{}

// ReadPacer is a Source that tells how fast Stigg's rate limit lets it read, as package client does.
type ReadPacer interface {
	// ReadPace is how long to wait between two reads, so that what the rate limit leaves is
	// not used up. What is cached is read again at half that pace.
	ReadPace() time.Duration
}

// EntitlementSet is everything one customer (and resource) may do, already
// merged by Stigg from plan, add-ons, trial and promotions.
type EntitlementSet struct {
	// Features holds one entitlement per feature.
	Features []Entitlement
	// Credits holds one wallet per credit currency.
	Credits []Credit
	// Denied is Stigg's reason against the customer as a whole: CustomerNotFound,
	// CustomerIsArchived or NoActiveSubscription. It decides only for features
	// that are not in the set.
	Denied Reason
	// Everything says that the customer has every feature and every wallet that is not in the
	// set, too, without a limit. What is used is reported. Stigg never says so: it is for
	// tests, and for a Source of your own that knows accounts of your staff. Denied comes
	// before it.
	Everything bool
	// Age is how old the set may be: by how much longer ago Stigg may have counted than a
	// Source was asked, or than the set was told to a Sink. What was used since counts beside
	// its counts. Zero is for a Source that asks Stigg itself; of a copy that is near, such as
	// Stigg's edge, it is the longest that the copy lags.
	Age time.Duration
	// Cached is how long ago a cache in front of the Source has read the set, or zero. Of the TTL that
	// much is over; of the counts in it Age tells.
	Cached time.Duration
}

// Feature is what the set says of a feature; false if it is not in the set.
func (s EntitlementSet) Feature(id string) (Entitlement, bool) {
	for i := range s.Features {
		if s.Features[i].FeatureID == id {
			return s.Features[i], true
		}
	}
	return Entitlement{}, false
}

// FeatureKind tells how a feature is decided.
type FeatureKind uint8

// The kinds of feature. Stigg's type NUMBER is Configuration without a meter and
// Metered with one. A kind this version does not know is KindUnknown: it is
// granted only as far as Stigg itself says isGranted.
const (
	KindUnknown   FeatureKind = iota
	Boolean                   // on or off
	Enum                      // a set of allowed values
	Configuration             // a number that is a value, such as a largest file size
	Metered                   // a number that is used up or allocated
)

// String is the kind in Stigg's word for it.
func (k FeatureKind) String() string { return rules.Kind(k).String() }

// ParseFeatureKind reads the two types that Stigg gives a feature: BOOLEAN, ENUM or NUMBER, and for
// a number its meter: None, Incremental or Fluctuating, in whatever case, since webhooks
// and older answers differ. A number without a meter type has no meter. It is for a Source
// of your own.
func ParseFeatureKind(featureType, meterType string) FeatureKind {
	return FeatureKind(rules.ParseKind(featureType, meterType))
}

// Entitlement is what a customer has of one feature.
type Entitlement struct {
	FeatureID   string
	DisplayName string
	// Unit and Units are what is counted, one of it and several: "seat" and "seats". Empty: the
	// feature's name stands for them.
	Unit, Units string
	Kind        FeatureKind

	// Granted is Stigg's own verdict when the set was read, without an amount.
	Granted bool
	// Denied is Stigg's reason against this feature, if it has one.
	Denied Reason

	// Limit is the most that may be used, or the value of a Configuration. Stigg's
	// null limit without Unlimited counts as 0.
	Limit     float64
	Unlimited bool
	// SoftLimit keeps granting past Limit.
	SoftLimit bool
	// Usage is Stigg's count in the period below when the set was read.
	Usage float64
	// Values are the allowed values of an Enum.
	Values []string

	// Reset names the length of a usage period; ResetNever has none.
	Reset ResetPeriod
	// Anchor is the moment whose day and time all periods are counted from.
	Anchor time.Time
	// PeriodStart and PeriodEnd bound the period that Usage belongs to; both are
	// zero without one.
	PeriodStart, PeriodEnd time.Time
	// ValidUntil is when Stigg says this must be read again; zero: no such moment.
	ValidUntil time.Time

	// CreditRate is set for a feature that is paid from a wallet.
	CreditRate *CreditRate
}

// entitled is e in the words of admission.
func (e *Entitlement) entitled() admission.Entitled {
	o := admission.Offer{ID: e.FeatureID, Name: e.DisplayName, Units: admission.Units{One: e.Unit, Several: e.Units}, Soft: e.SoftLimit, Reset: string(e.Reset)}
	if rate := e.CreditRate; rate != nil {
		o.Priced, o.Formula, o.Currency, o.Price = true, rate.Formula, rate.CurrencyID, rate.Amount
	}
	f := rules.Feature{Kind: rules.Kind(e.Kind), Denied: string(e.Denied), Granted: e.Granted, Limit: e.Limit, Unlimited: e.Unlimited, Values: rules.ValueListOf(e.Values)}
	return admission.Entitled{Offer: o, Feature: f, Anchor: e.Anchor, Ends: e.ValidUntil, Count: ledger.Count{Used: e.Usage, Start: e.PeriodStart, End: e.PeriodEnd}}
}

// entitlement is the way back, with what is used now.
func entitlement(s *admission.Rights, r *admission.Right, now time.Time) Entitlement {
	e := Entitlement{
		FeatureID: r.ID, DisplayName: r.Name, Unit: r.One, Units: r.Several, Kind: FeatureKind(r.Kind), Granted: r.Granted, Denied: Reason(r.Denied), Limit: r.Limit,
		Unlimited: r.Unlimited, SoftLimit: r.Soft, Values: r.Values.List(), Reset: ResetPeriod(r.Reset), Anchor: r.Anchor, ValidUntil: r.Ends,
	}
	if r.Priced {
		e.CreditRate = &CreditRate{CurrencyID: r.Currency, Amount: r.Price, Formula: r.Formula}
	}
	if r.Kind == rules.Metered {
		p := s.Present(r, now)
		limit := r.Limit
		if r.Unlimited {
			limit = math.Inf(1)
		}
		e.Usage, e.PeriodStart, e.PeriodEnd = p.Shown(limit), p.Start, p.End
	}
	return e
}

// CreditRate is what one unit of a feature costs in credits.
type CreditRate struct {
	CurrencyID string
	// Amount is the price of one unit.
	Amount float64
	// Formula is true when Stigg prices by a formula. That can't be evaluated here:
	// Stigg's own verdict decides.
	Formula bool
}

// Credit is a wallet: what a customer has of one credit currency.
type Credit struct {
	CurrencyID  string
	DisplayName string
	Granted     bool
	Denied      Reason
	// Limit is what was granted, Usage what of it is consumed.
	Limit, Usage float64
	SoftLimit    bool
	PeriodEnd    time.Time
	ValidUntil   time.Time
}

// entitled is c in the words of admission.
func (c *Credit) entitled() admission.Entitled {
	return admission.Entitled{
		Offer:   admission.Offer{IsWallet: true, ID: c.CurrencyID, Name: c.DisplayName, Soft: c.SoftLimit},
		Feature: rules.Feature{Granted: c.Granted, Denied: string(c.Denied), Limit: c.Limit}, Ends: c.ValidUntil, Count: ledger.Count{Used: c.Usage, End: c.PeriodEnd},
	}
}

// credit is the way back, with what is used now.
func credit(s *admission.Rights, r *admission.Right, now time.Time) Credit {
	p := s.Present(r, now)
	return Credit{
		CurrencyID: r.ID, DisplayName: r.Name, Granted: r.Granted, Denied: Reason(r.Denied), Limit: r.Limit, SoftLimit: r.Soft,
		Usage: p.Shown(r.Limit), PeriodEnd: p.End, ValidUntil: r.Ends,
	}
}

// checked is a set as it may be decided by, whoever made it: numbers that can't be read grant
// nothing, and reasons of the gate's own can't come from outside. unreadable names a feature
// or currency that is not granted for that reason; requests for it are not decided (503).
func (s EntitlementSet) checked() (_ EntitlementSet, unreadable string) {
	s.Features, s.Credits = slices.Clone(s.Features), slices.Clone(s.Credits)
	s.Denied = s.Denied.ofOutside()
	for i := range s.Features {
		e := &s.Features[i]
		e.Denied = e.Denied.ofOutside()
		limited := !e.Unlimited && (e.Kind == Metered || e.Kind == Configuration)
		if limited && !isAmount(e.Limit) || e.Kind == Metered && !isAmount(e.Usage) || e.CreditRate != nil && !e.CreditRate.Formula && !isAmount(e.CreditRate.Amount) {
			unreadable = e.FeatureID
			s.Features[i] = Entitlement{FeatureID: e.FeatureID, DisplayName: e.DisplayName, Denied: ReasonUnavailable, ValidUntil: e.ValidUntil}
		}
	}
	for i := range s.Credits {
		c := &s.Credits[i]
		c.Denied = c.Denied.ofOutside()
		if !isAmount(c.Limit) || !isAmount(c.Usage) {
			unreadable = c.CurrencyID
			s.Credits[i] = Credit{CurrencyID: c.CurrencyID, DisplayName: c.DisplayName, Denied: ReasonUnavailable, ValidUntil: c.ValidUntil}
		}
	}
	return s, unreadable
}

// isAmount reports whether n can be an amount of Stigg's: a number, finite, not below 0.
func isAmount(n float64) bool { return n >= 0 && !math.IsInf(n, 1) }

// ResetPeriod is the length of a usage period.
type ResetPeriod string

// Stigg's reset periods (enum EntitlementResetPeriod). ResetNever is none. A value
// that is none of these is kept; its periods end only when Stigg says so.
const (
	ResetNever ResetPeriod = ""
	ResetHour  ResetPeriod = "HOUR"
	ResetDay   ResetPeriod = "DAY"
	ResetWeek  ResetPeriod = "WEEK"
	ResetMonth ResetPeriod = "MONTH"
	ResetYear  ResetPeriod = "YEAR"
)
