// Package browser drives examples/saas, examples/fleet and the emulator's console in a real Chromium, as
// people do: with the keyboard, by the names that a screen reader says. It fails at any error of a page's
// console. It is a module of its own because of what drives the browser.
//
//	go test ./... -screenshots DIR    where pictures of every page are left, light, dark and on a phone
package browser
