// Package demo is what the examples share, and an app has not: an emulated Stigg where no other
// is named, commands to try, and tokens.
package demo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Audience is that of the tokens.
const Audience = "gate-example"

// Env is what an example with tokens reads from its environment.
type Env struct {
	*Stigg
	Key []byte // $JWT_SECRET, which signs the tokens
}

// Open reads the environment. If it names no Stigg, an emulated one is started (OpenStigg), and a
// key for the tokens made.
func Open(catalog string) (*Env, error) {
	stigg, err := OpenStigg(catalog)
	if err != nil {
		return nil, err
	}
	e := &Env{Stigg: stigg, Key: []byte(os.Getenv("JWT_SECRET"))}
	if stigg.server != nil {
		e.Key = []byte(rand.Text() + rand.Text())
	}
	if len(e.Key) < 32 { // RFC 7518, section 3.2
		return nil, errors.New("JWT_SECRET needs 32 bytes or more")
	}
	return e, nil
}

// Token is what a login would give to a user of the customer.
func Token(key []byte, customer string, expires time.Time) string {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "user-1", "org": customer, "aud": Audience, "exp": expires.Unix(),
	}).SignedString(key)
	if err != nil {
		panic(err) // HS256 signs with any bytes
	}
	return signed
}

// Welcome prints where the API is and, in front of an emulated Stigg, what to try. The
// routes are below prefix, in which %s is the customer.
func (e *Env) Welcome(out io.Writer, l net.Listener, prefix string) {
	api := "http://" + l.Addr().String()
	fmt.Fprintf(out, "The API is at %s\n", api)
	defer fmt.Fprintln(out, "Ctrl-C stops.")
	if e.server == nil {
		return
	}
	fmt.Fprintln(out, "4 campaigns are in the Basic plan, analytics are not; Essentials has both. Try:")
	for _, customer := range []string{"customer-basic", "customer-demo-01"} {
		below := api
		if prefix != "" {
			below += fmt.Sprintf(prefix, customer)
		}
		fmt.Fprintf(out, "  TOKEN=%s # %s\n", Token(e.Key, customer, time.Now().Add(time.Hour)), customer)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{\"name\":\"spring\"}' %s/campaigns\n", below)
		fmt.Fprintf(out, "  curl -i -H \"Authorization: Bearer $TOKEN\" %s/analytics\n", below)
	}
}
