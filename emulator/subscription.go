package emulator

import (
	"math/big"
	"time"
)

// subscription is a customer's plan, at the customer's level or for one of its
// resources.
type subscription struct {
	id            string
	customer      *customer
	resource      string
	plan          *pkg
	billingPeriod string
	units         map[string]float64
	addons        []addonCount
	overrides     map[string]*packageGrant
	metadata      map[string]any

	createdAt, start time.Time
	// end is when it stops; zero while nothing ends it.
	end          time.Time
	cancelledAt  time.Time
	cancelReason string
	// revoked: cancelled with REVOKE_ENTITLEMENTS, which takes the access at once.
	revoked bool

	trialEnd      time.Time
	trialBehavior string

	// terms are what was agreed beside the plan.
	terms
	// anchor is what billing periods are counted from.
	anchor time.Time
	// collection is the state of the last payment: ACTION_REQUIRED or FAILED, empty
	// where nothing is open. Pending says that access waits for it.
	collection string
	pending    bool
	invoice    *invoice
	schedule   []*scheduled
}

// terms are what an order may agree on beside the plan, its units and add-ons.
type terms struct {
	// paying is another customer who pays, nil for the subscription's own.
	paying                         *customer
	billingID, salesforceID, crmID *string
	collectionMethod               string
	country                        string
	coupon                         *redeemed
	priceOverrides                 []priceOverride
	unitAmount                     *big.Rat
	minimumSpend                   *big.Rat
	taxRate                        *big.Rat
	budget                         *budget
	credits                        []*creditPackage
	customPrice                    *bool
}

// budget bounds what usage may cost in a billing period.
type budget struct {
	Limit float64 `json:"limit"`
	Soft  bool    `json:"hasSoftLimit"`
}

// invoice is what was billed last.
type invoice struct {
	ID        string
	CreatedAt time.Time
	Total     *big.Rat
	SubTotal  *big.Rat
	Tax       *big.Rat
	Currency  string
	Paid      bool
	Reason    string
	Err       string
	Attempts  int
}

type addonCount struct {
	addon    *pkg
	quantity int
}

// stops gives the moment at which the subscription is over, zero for never: its
// end, or the end of a trial that isn't converted.
func (s *subscription) stops() time.Time {
	stop := s.end
	if !s.trialEnd.IsZero() && s.trialBehavior == "CANCEL_SUBSCRIPTION" {
		stop = earliest(stop, s.trialEnd)
	}
	return stop
}

func (s *subscription) over(now time.Time) bool {
	stop := s.stops()
	return !stop.IsZero() && !now.Before(stop)
}

func (s *subscription) active(now time.Time) bool {
	return !now.Before(s.start) && !s.over(now) && !s.pending
}

func (s *subscription) inTrial(now time.Time) bool {
	return !s.trialEnd.IsZero() && now.Before(s.trialEnd) && s.active(now)
}

// status gives the SubscriptionStatus of the schema.
func (s *subscription) status(now time.Time) string {
	switch {
	case s.over(now) && s.cancelReason == "":
		return "EXPIRED"
	case s.over(now):
		return "CANCELED"
	case s.pending:
		return "PAYMENT_PENDING"
	case now.Before(s.start):
		return "NOT_STARTED"
	case s.inTrial(now):
		return "IN_TRIAL"
	}
	return "ACTIVE"
}

func (s *subscription) endAt(t time.Time, reason string) {
	s.end, s.cancelReason = t, reason
}

// billing gives the billing period that contains t. Free plans have one too, as
// in Stigg's own answers.
func (s *subscription) billing(t time.Time) period {
	rule := resetRule{every: "MONTH"}
	if s.billingPeriod == "ANNUALLY" {
		rule.every = "YEAR"
	}
	return rule.periodAt(s.anchor, t)
}

// unitPrice gives the PER_UNIT price of a feature for the billing period.
func (s *subscription) unitPrice(featureID string) *price {
	for _, p := range s.pricesOf(s.plan) {
		if p.Model == "PER_UNIT" && p.FeatureID == featureID {
			return p
		}
	}
	return nil
}

// activeSubscriptions lists what is active now; want decides by resource.
func (c *customer) activeSubscriptions(now time.Time, want func(resource string) bool) []*subscription {
	var active []*subscription
	for _, s := range c.subscriptions {
		if s.active(now) && want(s.resource) {
			active = append(active, s)
		}
	}
	return active
}

func (w *world) subscription(id string) (*subscription, error) {
	if s := w.subscriptions[id]; s != nil {
		w.touch(s.customer)
		return s, nil
	}
	return nil, refuse(CodeSubscriptionNotFound, "subscription %q not found", id)
}
