/** How registries are reached. Names are `host[:port]`. */
export interface RegistryOptions {
  /** Plain HTTP for pushes, or for pulls. */
  readonly insecurePush: boolean;
  readonly insecurePull: boolean;
  readonly insecureRegistries: readonly string[];
  /** TLS without verification: everywhere, on pulls, or per registry. */
  readonly skipTlsVerify: boolean;
  readonly skipTlsVerifyPull: boolean;
  readonly skipTlsVerifyRegistries: readonly string[];
  /** Registry to the path of a PEM file that is trusted for it. */
  readonly certificates: ReadonlyMap<string, string>;
  /** Registry to the paths of a PEM certificate and its key, shown to it. */
  readonly clientCertificates?: ReadonlyMap<string, { readonly certificate: string; readonly key: string }>;
}
