FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json nest-cli.json ormconfig.ts ./
COPY scripts scripts
COPY apps apps
COPY libs libs
RUN node scripts/set-up.mjs && npm prune --omit=dev --no-save

FROM node:24-bookworm-slim
# git serves clones and pushes; bubblewrap isolates sandboxes; tini reaps what they leave.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates git tini \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node -m 0700 /var/lib/roundhouse
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/var/lib/roundhouse
USER node
VOLUME /var/lib/roundhouse
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "dist/apps/cli/src/main.js"]
CMD ["start"]
