// What Airflow's UI provides beside React, as far as it is used here. Airflow 3.1 to 3.3 have these names.

declare module "react-router-dom" {
  import type { AnchorHTMLAttributes, FC, RefAttributes } from "react";

  export const Link: FC<
    AnchorHTMLAttributes<HTMLAnchorElement> & RefAttributes<HTMLAnchorElement> & { to: string }
  >;
}

declare module "*.css" {
  const text: string;
  export default text;
}
