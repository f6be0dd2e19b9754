import { Agent, request } from 'node:http';

/** A caller with connections of its own that stay open. */
export class HttpClient {
  constructor(url, key, connections = 1) {
    this.url = new URL(url);
    this.key = key;
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** @returns status and body; throws unless the status is 2xx */
  send(method, path, { body, headers = {} } = {}) {
    const options = {
      agent: this.agent,
      host: this.url.hostname,
      port: this.url.port,
      method,
      path,
      headers: {
        ...(this.key && { 'x-api-key': this.key }),
        ...(body && { 'content-type': 'application/json', 'content-length': body.length }),
        ...headers,
      },
    };
    return new Promise((resolve, reject) => {
      const call = request(options, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks);
          const isFine = response.statusCode >= 200 && response.statusCode < 300;
          if (isFine) resolve(answer);
          else
            reject(new Error(`${method} ${path} answered ${response.statusCode}: ${answer.toString().slice(0, 300)}`));
        });
      });
      call.on('error', reject);
      call.end(body);
    });
  }

  async json(method, path, value) {
    const body = value === undefined ? undefined : Buffer.from(JSON.stringify(value));
    const answer = await this.send(method, path, { body });
    return answer.length === 0 ? undefined : JSON.parse(answer.toString());
  }

  commit(slug, body) {
    return this.send('POST', `/v1/repos/${slug}/commits`, { body });
  }

  close() {
    this.agent.destroy();
  }
}
