package emulator

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// messages gives what a piece of news says to webhooks: types of messages, with
// what is in them beside the envelope.
func (h *webhooks) messages(v view, n news) iter.Seq2[string, obj] {
	return func(yield func(string, obj) bool) {
		switch n.kind {
		case newsHook:
			yield(n.cause, v.hooked(n, n.more(v)))
		case newsEntitlements:
			yield("entitlements.updated", v.hookEntitlements(n))
		case newsPackage:
			yield(n.cause, v.hookPackage(n))
		case newsFeature:
			shown := hookFeature(v.w.catalog.featureByID[n.feature])
			yield(n.cause, obj{"feature": shown})
		case newsCredits:
			more, left := v.hookCredits(n)
			if more != nil && yield(n.cause, more) && h.ranOut(n, left) {
				yield("credit_balance.depleted", more)
			}
		}
	}
}

// ranOut says whether a wallet has just become empty.
func (h *webhooks) ranOut(n news, left float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := walletID{n.customer, n.resource, n.currency}
	was := h.empty[id]
	h.empty[id] = left <= 0
	return left <= 0 && !was
}

// hooked adds whom a message is about, which has no place of its own in the
// schemas that Stigg's pages show of every type.
func (v view) hooked(n news, more obj) obj {
	if c := v.w.customers[n.customer]; c != nil && more["customer"] == nil {
		more["customer"] = hookCustomer(c)
	}
	more["customerId"], more["resource"], more["resourceId"] = text(n.customer), nil, text(n.resource)
	if n.resource != "" {
		more["resource"] = obj{"id": n.resource}
	}
	return more
}

func (v view) hookEntitlements(n news) obj {
	set, _ := v.w.state(n.customer, n.resource, v.now)
	return v.hooked(n, obj{
		"trigger": n.cause, "entitlements": listOf(set, hookEntitlement), "entitlementsUpdatedAt": isoTime(v.w.coarse(v.now)),
	})
}

func (v view) hookPackage(n news) obj {
	if p := v.w.catalog.planByID[n.packageID]; p != nil {
		return obj{"plan": obj{"id": p.ID, "displayName": p.DisplayName, "versionNumber": p.Version}, "migrationType": n.audience}
	}
	p := v.w.catalog.addonByID[n.packageID]
	return obj{"addon": obj{"id": p.ID, "displayName": p.DisplayName, "versionNumber": p.Version}, "migrationType": n.audience}
}

// hookCredits gives the balance of a wallet too; nil if it is of nobody.
func (v view) hookCredits(n news) (more obj, left float64) {
	event := v.creditEvents(n)["creditBalanceUpdated"]
	if event == nil {
		return nil, 0
	}
	left, _ = event["currentBalance"].(float64)
	return v.hooked(n, obj{
		"currency": obj{"id": n.currency}, "currencyId": n.currency, "currentBalance": left,
		"totalGranted": event["totalGranted"], "totalConsumed": event["totalConsumed"],
	}), left
}

// envelope puts a message into what all of them have.
func (v view) envelope(kind string, body obj) (of, id string, raw []byte) {
	id = v.w.nextID("message")
	body["type"], body["messageId"], body["timestamp"] = kind, id, isoTime(v.w.coarse(v.now))
	body["traceId"], body["eventId"] = uuidOf("trace", id), uuidOf("event", id)
	body["environmentId"], body["accountId"], body["actor"] = environmentID(), accountID(), obj{"type": "SYSTEM"}
	raw, err := json.Marshal(body)
	if err != nil {
		raw = fmt.Appendf(nil, `{"type":%q,"messageId":%q}`, kind, id)
	}
	return kind, id, raw
}

// localURL says whether a URL is of this machine; one that can't be read is refused
// by whoever sets it.
func localURL(raw string) bool {
	u, err := url.Parse(raw)
	return err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || isLocal(u.Hostname())
}

// serveWebhooks shows the webhook and its deliveries (GET), sets another (POST), or
// sends nothing more (DELETE). The secret is never shown.
func (e *Emulator) serveWebhooks(w http.ResponseWriter, r *http.Request) {
	list := func(status int) {
		e.hooks.mu.Lock()
		to := e.hooks.url
		e.hooks.mu.Unlock()
		show(w, status, map[string]any{"url": text(to), "deliveries": e.Deliveries()})
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		list(http.StatusOK)
	case http.MethodPost:
		var in struct {
			URL    string `json:"url"`
			Secret string `json:"secret"`
		}
		err := readOrder(w, r, &in)
		if err == nil && in.URL == "" {
			err = fmt.Errorf(`send {"url": "http://localhost:8080/stigg", "secret": "..."}`)
		}
		if err == nil && !e.remoteHooks && !localURL(in.URL) {
			err = fmt.Errorf("webhook: %s is not of this machine, and only WithRemoteWebhooks (-remote-webhooks) lets the window set such a URL", in.URL)
		}
		if err == nil {
			err = e.SetWebhook(in.URL, in.Secret)
		}
		if err != nil {
			refuseOrder(w, err)
			return
		}
		list(http.StatusCreated)
	case http.MethodDelete:
		_ = e.SetWebhook("", "")
		list(http.StatusOK)
	default:
		notFor(w, "GET, HEAD, POST, DELETE")
	}
}
