"""The embedded Prefect platform of one machine, driven from outside: programs and REST, no import of prefect.

    from pvcore.platform.embedded import up, down, status   # server, workers, deployments
    from pvcore.platform.prefect_api import Platform        # run, wait, resume, artifacts, logs
    from pvcore.platform.forms import waiting_form          # what a suspended run asks

One platform is a family of processes: keeper (starts again what died), Prefect server, one worker a
pool, and the flow runs they start. `pv down` finds all of them by the mark in their environment.
"""
