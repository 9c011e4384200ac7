package mail

import (
	"bytes"
	"encoding/json"
	html "html/template"
	"io/fs"
	"net/mail"
	"strings"
	text "text/template"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	letters "kowabunga/embed/mail"
)

// templates are the letters by name, each as text, with the subject as its first line, and as HTML.
type templates struct {
	texts *text.Template
	htmls map[string]*html.Template
}

func parse(files fs.FS) (*templates, error) {
	t := &templates{htmls: map[string]*html.Template{}}
	var err error
	if t.texts, err = text.New("").Option("missingkey=error").ParseFS(files, "*.txt"); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the templates of letters")
	}
	layout, err := html.New("layout.html").Option("missingkey=error").ParseFS(files, "layout.html")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the templates of letters")
	}
	names, err := fs.Glob(files, "*.html")
	for _, file := range names {
		if file == "layout.html" {
			continue
		}
		one, err := html.Must(layout.Clone()).ParseFS(files, file)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "read the templates of letters")
		}
		t.htmls[strings.TrimSuffix(file, ".html")] = one
	}
	return t, fault.Wrap(err, fault.Internal, "read the templates of letters")
}

var own = func() *templates {
	t, err := parse(letters.Templates)
	if err != nil {
		panic(err) // they are part of the program
	}
	return t
}()

// render fills the templates of a letter. Faults: Invalid for a letter that cannot be filled, such as one
// of another release.
func render(l *model.Letter) (Message, error) {
	bad := func(err error) (Message, error) {
		return Message{}, &fault.Error{Code: fault.Invalid, Op: "write letter " + string(l.ID), Message: "its template " + l.Name + " cannot be filled", Err: err}
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(l.Data.Reveal()), &data); err != nil || data == nil {
		return bad(fault.New(fault.Invalid, "the letter's data cannot be read")) // the error could quote them
	}
	page := own.htmls[l.Name]
	if page == nil {
		return bad(fault.New(fault.NotFound, "there is no such template"))
	}
	var plain, rich bytes.Buffer
	if err := own.texts.ExecuteTemplate(&plain, l.Name+".txt", data); err != nil {
		return bad(err)
	}
	subject, body, _ := strings.Cut(plain.String(), "\n")
	data["Subject"] = subject
	if err := page.Execute(&rich, data); err != nil {
		return bad(err)
	}
	return Message{ID: string(l.ID), At: l.Created, To: mail.Address{Name: l.ToName, Address: l.To}, Subject: subject, Text: trimmed(body), HTML: trimmed(rich.String())}, nil
}

// trimmed ends with one line end.
func trimmed(text string) string { return strings.TrimRight(text, "\n") + "\n" }
