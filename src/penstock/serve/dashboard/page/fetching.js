// What the page asks the server that it came from.

async function ask(path, parameters = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== '' && value != null),
  );
  const answer = await fetch(`api/${path}?${query}`, { signal: AbortSignal.timeout(20000) });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error), { status: answer.status });
  return body;
}

const askModel = (model, what, parameters) => ask(`models/${encodeURIComponent(model)}/${what}`, parameters);
