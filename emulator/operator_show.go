package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxShown bounds the customers that the operator's window shows at a time.
const maxShown = 200

// shownCustomer is a customer as the operator's window shows it.
type shownCustomer struct {
	ID            string       `json:"customerId"`
	Name          *string      `json:"name"`
	Email         *string      `json:"email"`
	Archived      bool         `json:"archived"`
	PaymentMethod bool         `json:"hasPaymentMethod"`
	CreatedAt     time.Time    `json:"createdAt"`
	Levels        []shownLevel `json:"levels"`
}

// shownLevel is what the customer has at its own level, or for a resource.
type shownLevel struct {
	ResourceID    *string             `json:"resourceId"`
	Denied        *string             `json:"accessDeniedReason"`
	Subscriptions []shownSubscription `json:"subscriptions"`
	Entitlements  []shownEntitlement  `json:"entitlements"`
	Wallets       []shownWallet       `json:"wallets"`
}

type shownSubscription struct {
	ID            string     `json:"subscriptionId"`
	PlanID        string     `json:"planId"`
	Plan          string     `json:"plan"`
	Version       int        `json:"planVersion"`
	Status        string     `json:"status"`
	BillingPeriod string     `json:"billingPeriod"`
	PeriodEnd     time.Time  `json:"currentBillingPeriodEnd"`
	Ends          *time.Time `json:"ends"`
}

type shownEntitlement struct {
	FeatureID string     `json:"featureId"`
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Granted   bool       `json:"isGranted"`
	Reason    *string    `json:"accessDeniedReason"`
	Limit     *float64   `json:"usageLimit"`
	Unlimited bool       `json:"hasUnlimitedUsage"`
	Soft      bool       `json:"hasSoftLimit"`
	Usage     float64    `json:"currentUsage"`
	Values    []string   `json:"enumValues,omitempty"`
	Resets    *time.Time `json:"usagePeriodEnd"`
}

type shownWallet struct {
	CurrencyID string  `json:"currencyId"`
	Granted    float64 `json:"granted"`
	Used       float64 `json:"used"`
	Soft       bool    `json:"hasSoftLimit"`
}

// serveCustomers lists customers (GET, with search, limit and offset), or adds one (POST
// {"customerId": "..."}).
func (e *Emulator) serveCustomers(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		var in struct {
			ID string `json:"customerId"`
		}
		err := readOrder(w, r, &in)
		if err == nil {
			err = e.AddCustomer(in.ID)
		}
		if err != nil {
			refuseOrder(w, err)
			return
		}
	default:
		notFor(w, "GET, HEAD, POST")
		return
	}
	asked := r.URL.Query()
	limit, offset := maxShown, 0
	for name, n := range map[string]*int{"limit": &limit, "offset": &offset} {
		if asked.Has(name) {
			given, err := strconv.Atoi(asked.Get(name))
			if err != nil || given < 0 {
				show(w, http.StatusBadRequest, map[string]string{"error": name + " is no number of customers"})
				return
			}
			*n = given
		}
	}
	all, total := e.shownCustomers(asked.Get("search"), min(limit, maxShown), offset)
	show(w, http.StatusOK, map[string]any{"customers": all, "total": total})
}

func (e *Emulator) shownCustomers(search string, limit, offset int) (all []shownCustomer, total int) {
	e.mu.Lock()
	defer e.unlock()
	e.reading = true
	now := e.present()
	all = []shownCustomer{}
	for _, id := range sortedKeys(e.world.customers) {
		c := e.world.customers[id]
		name, _ := deref(c.name).(string)
		if search != "" && !strings.Contains(strings.ToLower(id+"\n"+name), strings.ToLower(search)) {
			continue
		}
		if total++; total > offset && len(all) < limit {
			all = append(all, e.world.shown(c, now))
		}
	}
	return all, total
}

func (w *world) shown(c *customer, now time.Time) shownCustomer {
	out := shownCustomer{ID: c.id, Name: c.name, Email: c.email, Archived: c.archived(), PaymentMethod: c.payment != nil, CreatedAt: c.createdAt}
	for _, resource := range c.levels() {
		set, reason := w.state(c.id, resource, now)
		level := shownLevel{ResourceID: optional(resource), Denied: optional(reason), Subscriptions: []shownSubscription{}, Entitlements: []shownEntitlement{}, Wallets: []shownWallet{}}
		for _, s := range c.subscriptions {
			if s.resource != resource || s.over(now) {
				continue
			}
			level.Subscriptions = append(level.Subscriptions, shownSubscription{
				s.id, s.plan.ID, s.plan.DisplayName, s.plan.Version, s.status(now), s.billingPeriod, s.billing(laterOf(now, s.start)).end, whenever(s.stops()),
			})
		}
		for _, e := range set {
			decided := e.decide(request{})
			kind := e.feature.Type
			if e.feature.metered() {
				kind = "METERED"
			}
			level.Entitlements = append(level.Entitlements, shownEntitlement{
				e.feature.ID, e.feature.DisplayName, kind, decided.granted, optional(decided.reason), e.limit, e.unlimited, e.soft, e.usage,
				slices.Clone(e.values), whenever(e.period.end),
			})
		}
		for _, wa := range w.wallets(c.id, resource, now) {
			level.Wallets = append(level.Wallets, shownWallet{wa.currency.ID, wa.limit, wa.used, wa.soft})
		}
		out.Levels = append(out.Levels, level)
	}
	return out
}

func whenever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// serveCatalog shows the catalog as it is now, in its own format, without its customers.
func (e *Emulator) serveCatalog(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	now := *e.catalog
	now.Coupons, now.Seeds = e.world.coupons, nil
	raw, err := json.Marshal(now)
	e.mu.Unlock() // before it is written: whoever reads it may take their time
	if err != nil {
		refuseOrder(w, err)
		return
	}
	show(w, http.StatusOK, json.RawMessage(raw))
}

// serveActivity gives what went on since the serial in the parameter after.
func (e *Emulator) serveActivity(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	show(w, http.StatusOK, map[string]any{"now": isoTime(e.Now()), "activities": e.Activities(after)})
}

// serveSubscriptions provisions a subscription (POST).
func (e *Emulator) serveSubscriptions(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CustomerID    string         `json:"customerId"`
		PlanID        string         `json:"planId"`
		ResourceID    string         `json:"resourceId"`
		BillingPeriod string         `json:"billingPeriod"`
		Units         float64        `json:"units"`
		Addons        map[string]int `json:"addons"`
	}
	err := readOrder(w, r, &in)
	if err == nil {
		_, err = e.Subscribe(in.CustomerID, in.PlanID, Subscription{
			Resource: in.ResourceID, BillingPeriod: in.BillingPeriod, Units: in.Units, Addons: in.Addons,
		})
	}
	answerOrder(w, err)
}

// serveGrants grants a feature promotionally (POST), for ever unless days are given.
func (e *Emulator) serveGrants(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CustomerID string   `json:"customerId"`
		FeatureID  string   `json:"featureId"`
		UsageLimit *float64 `json:"usageLimit"`
		Unlimited  bool     `json:"hasUnlimitedUsage"`
		Values     []string `json:"enumValues"`
		Days       int      `json:"days"`
	}
	err := readOrder(w, r, &in)
	if err == nil && in.Days < 0 {
		err = fmt.Errorf("days: %d is below 0", in.Days)
	}
	if err == nil {
		var until time.Time
		if in.Days > 0 {
			until = e.Now().AddDate(0, 0, in.Days)
		}
		err = e.Grant(in.CustomerID, Grant{FeatureID: in.FeatureID, UsageLimit: in.UsageLimit, Unlimited: in.Unlimited, EnumValues: in.Values}, until)
	}
	answerOrder(w, err)
}

func answerOrder(w http.ResponseWriter, err error) {
	if err != nil {
		refuseOrder(w, err)
		return
	}
	show(w, http.StatusCreated, map[string]string{"done": "yes"})
}
