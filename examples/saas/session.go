package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

const cookieName = "session"
const sessionLength = 12 * time.Hour

// sessions makes and reads the cookie "account.expiry.signature". Without the key nobody can
// make one, and so nobody is signed in to an account but who has signed up for it.
type sessions struct{ key []byte }

func (s sessions) sign(content string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(content))
	return hex.EncodeToString(mac.Sum(nil))
}

func (s sessions) value(account string, expires time.Time) string {
	content := account + "." + strconv.FormatInt(expires.Unix(), 10)
	return content + "." + s.sign(content)
}

// account is whose session a cookie's value is, or empty.
func (s sessions) account(value string, now time.Time) string {
	end := strings.LastIndexByte(value, '.')
	if end < 0 || !hmac.Equal([]byte(value[end+1:]), []byte(s.sign(value[:end]))) {
		return ""
	}
	account, expiry, _ := strings.Cut(value[:end], ".")
	if seconds, err := strconv.ParseInt(expiry, 10, 64); err != nil || now.Unix() >= seconds {
		return ""
	}
	return account
}

func (a *app) signIn(w http.ResponseWriter, account string) {
	c := a.cookie(a.sessions.value(account, time.Now().Add(sessionLength))) //nolint:gosec // see cookie
	c.MaxAge = int(sessionLength.Seconds())
	http.SetCookie(w, c)
}

func (a *app) forget(w http.ResponseWriter) {
	c := a.cookie("") //nolint:gosec // see cookie
	c.MaxAge = -1
	http.SetCookie(w, c)
}

// cookie comes back on links that lead here, as the checkout page's, and is not for scripts.
func (a *app) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, //nolint:gosec // http on loopback has no Secure
		Secure: strings.HasPrefix(a.public, "https:")}
}

type accountKey struct{}

// authenticate puts the account of the session into the request's context.
func (a *app) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(cookieName); err == nil {
			if account, found := a.accounts.get(a.sessions.account(c.Value, time.Now())); found {
				r = r.WithContext(context.WithValue(r.Context(), accountKey{}, account))
			}
		}
		next.ServeHTTP(w, r)
	})
}

func accountOf(ctx context.Context) (account, bool) {
	found, ok := ctx.Value(accountKey{}).(account)
	return found, ok
}

// customerOf tells the gate who is asking.
func customerOf(ctx context.Context) (gate.Customer, bool) {
	found, ok := accountOf(ctx)
	return found.customer(), ok
}

// private is a handler for who is signed in. Others are led to the sign-up.
func (a *app) private(handle func(http.ResponseWriter, *http.Request, account)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, ok := accountOf(r.Context())
		if !ok {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		handle(w, r, found)
	}
}
