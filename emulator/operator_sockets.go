package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// serveSockets lists the open sockets and the faults that wait for others (GET),
// lets a fault happen (POST), or takes away those that wait (DELETE).
func (e *Emulator) serveSockets(w http.ResponseWriter, r *http.Request) {
	list := func(status int) {
		show(w, status, map[string]any{"open": e.Sockets(), "faults": e.socketFaults.list()})
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		list(http.StatusOK)
	case http.MethodPost:
		var f SocketFault
		err := readOrder(w, r, &f)
		if err == nil {
			err = e.SocketFault(f)
		}
		if err != nil {
			refuseOrder(w, err)
			return
		}
		list(http.StatusCreated)
	case http.MethodDelete:
		e.socketFaults.clear()
		list(http.StatusOK)
	default:
		notFor(w, "GET, HEAD, POST, DELETE")
	}
}

// servePackages publishes a package (POST): {"packageId": "plan-revvenu-pro",
// "migrationType": "ALL_CUSTOMERS", "entitlements": [{"featureId": "...", "usageLimit": 5}]}.
func (e *Emulator) servePackages(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		notFor(w, "POST")
		return
	}
	var in struct {
		PackageID     string `json:"packageId"`
		MigrationType string `json:"migrationType"`
		Entitlements  []struct {
			FeatureID         string   `json:"featureId"`
			UsageLimit        *float64 `json:"usageLimit"`
			HasUnlimitedUsage bool     `json:"hasUnlimitedUsage"`
			HasSoftLimit      bool     `json:"hasSoftLimit"`
			EnumValues        []string `json:"enumValues"`
			ResetPeriod       string   `json:"resetPeriod"`
		} `json:"entitlements"`
	}
	err := readOrder(w, r, &in)
	if err == nil {
		var grants []Grant
		for _, g := range in.Entitlements {
			grants = append(grants, Grant{
				FeatureID: g.FeatureID, UsageLimit: g.UsageLimit, Unlimited: g.HasUnlimitedUsage, SoftLimit: g.HasSoftLimit,
				EnumValues: g.EnumValues, ResetPeriod: g.ResetPeriod,
			})
		}
		err = e.Publish(in.PackageID, in.MigrationType, grants...)
	}
	if err != nil {
		refuseOrder(w, err)
		return
	}
	show(w, http.StatusCreated, map[string]string{"published": in.PackageID})
}

// readOrder reads one object without unknown fields from the body of an operator's
// request.
func readOrder(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the body can't be read: %w", fieldNamed(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows in the body")
	}
	return nil
}

func refuseOrder(w http.ResponseWriter, err error) {
	show(w, http.StatusBadRequest, map[string]string{"error": strings.TrimPrefix(err.Error(), "emulator: ")})
}

func notFor(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	show(w, http.StatusMethodNotAllowed, map[string]string{"error": "this path is for " + methods + " only"})
}
